import { text } from 'node:stream/consumers'
import { inspect } from 'node:util'
import {
  AccountSASPermissions,
  type ContainerClient,
  ContainerSASPermissions,
  generateAccountSASQueryParameters,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { type AzureServer, startAzure } from '@sluice/testkit/azure.ts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeError } from '../../src/errors.ts'
import { azureError } from '../../src/providers/azure-blob/error.ts'
import { location } from '../../src/providers/azure-blob/location.ts'
import type { Provider } from '../../src/providers/provider.ts'
import { placeOf } from './azure-place.ts'

let server: AzureServer

beforeAll(async () => {
  server = await startAzure()
})
afterAll(() => server.stop())

/** A SAS of the container with these permissions, good for `seconds` from now. */
function sasFor({ containerName }: ContainerClient, permissions: string, seconds = 60): string {
  const values = {
    version: '2020-12-06',
    containerName,
    permissions: ContainerSASPermissions.parse(permissions),
    expiresOn: new Date(Date.now() + seconds * 1000),
  }
  const credential = new StorageSharedKeyCredential(server.account, server.accountKey)
  return generateBlobSASQueryParameters(values, credential).toString()
}

const otherKey = Buffer.from('another key').toString('base64')

/** What each method comes to: `ok`, or the code of its fault. */
async function outcomes(provider: Provider) {
  const outcome = (promise: Promise<unknown>) => promise.then(() => 'ok').catch((error) => error.code)
  return {
    check: await outcome(provider.check()),
    list: await outcome(provider.list({ cursor: null, limit: 1, recursive: true })),
    read: await outcome(provider.read('a').then(({ body }) => text(body))),
    write: await outcome(provider.write('new', Buffer.from('x'))),
    remove: await outcome(provider.remove('new')),
  }
}
const all = (code: string) => ({ check: code, list: code, read: code, write: code, remove: code })

describe('Azure Blob: who may do what', () => {
  test('a wrong account key is BAD_CREDENTIALS', async () => {
    const { open } = await placeOf(server, { a: 'hello' })
    expect(await outcomes(await open({}, { accountKey: otherKey }))).toEqual(all('BAD_CREDENTIALS'))
  })

  test('a container that does not exist is NO_SUCH_BUCKET, named in the message', async () => {
    const { open } = await placeOf(server)
    const provider = await open({ container: 'not-there' })
    expect(await outcomes(provider)).toEqual(all('NO_SUCH_BUCKET'))
    await expect(provider.check()).rejects.toThrow('"not-there"')
  })

  test.for([
    { may: 'racwdl', expected: all('ok') },
    { may: 'rl', expected: { ...all('ok'), write: 'DENIED', remove: 'DENIED' } },
    { may: 'r', expected: { ...all('DENIED'), read: 'ok' } },
    { may: 'l', expected: { ...all('DENIED'), check: 'ok', list: 'ok' } },
  ])('a SAS token with the permissions $may can use them, and is DENIED everything else', async ({ may, expected }) => {
    const { open, client } = await placeOf(server, { a: 'hello' })
    expect(await outcomes(await open({}, { sasToken: sasFor(client, may) }))).toEqual(expected)
    expect(await outcomes(await open({}, { sasToken: `?${sasFor(client, may)}` }))).toEqual(expected)
  })

  test('a SAS token that has expired is BAD_CREDENTIALS and says since when', async () => {
    const { open, client } = await placeOf(server, { a: 'hello' })
    const provider = await open({}, { sasToken: sasFor(client, 'rl', -60) })
    expect(await outcomes(provider)).toEqual(all('BAD_CREDENTIALS'))
    await expect(provider.check()).rejects.toThrow(/expired at 20/)
  })

  test('a SAS token that was changed is BAD_CREDENTIALS', async () => {
    const { open, client } = await placeOf(server, { a: 'hello' })
    const sasToken = sasFor(client, 'rl').replace('sp=rl', 'sp=rwl')
    expect(await outcomes(await open({}, { sasToken }))).toEqual(all('BAD_CREDENTIALS'))
  })

  test('an anonymous storage reads a public container, and is DENIED a private one and every write', async () => {
    const readOnly = { ...all('ok'), write: 'DENIED', remove: 'DENIED' }
    const { open, client } = await placeOf(server, { a: 'hello' })
    const provider = await open({ anonymous: true }, {})
    expect(await outcomes(provider)).toEqual(all('DENIED'))
    await client.setAccessPolicy('container')
    expect(await outcomes(provider)).toEqual(readOnly)
    const url = await provider.presign!('a', { ttlSeconds: 60 })
    expect([url.search, await (await fetch(url)).text()]).toEqual(['', 'hello'])
  })

  test('no printed error contains a secret', async () => {
    const { open, client } = await placeOf(server)
    const sasToken = sasFor(client, 'l', -60)
    const signature = new URLSearchParams(sasToken).get('sig')!
    for (const [secrets, secret] of [
      [{ accountKey: otherKey }, otherKey],
      [{ sasToken }, signature],
    ] as const) {
      const fault = await (await open({}, secrets)).check().catch((error: unknown) => error)
      const printed = [describeError(fault), inspect(fault, { depth: 9 }), JSON.stringify(fault), String(fault)].join()
      expect(printed).not.toContain(secret)
      expect(printed).not.toContain(encodeURIComponent(secret))
    }
  })
})

describe('Azure Blob: a SAS token is never in a URL for viewers', () => {
  test.for(['rl', 'r', 'racwdl', 'rw', 'rd', 'l'])('of a container, sp=%s', async (may) => {
    const { open, client } = await placeOf(server, { 'ä b.txt': 'hello' })
    const provider = await open({}, { sasToken: sasFor(client, may) })
    expect(provider.presign).toBeUndefined()
    if (may.includes('r')) expect(await text((await provider.read('ä b.txt')).body)).toBe('hello')
  })

  test('of the whole account', async () => {
    const { open, client } = await placeOf(server, { a: 'hello' })
    const values = {
      version: '2020-12-06',
      expiresOn: new Date(Date.now() + 60_000),
      permissions: AccountSASPermissions.parse('rl'),
      resourceTypes: 'co',
      services: 'b',
    }
    const credential = new StorageSharedKeyCredential(server.account, server.accountKey)
    const sasToken = generateAccountSASQueryParameters(values, credential).toString()
    const provider = await open({ container: client.containerName }, { sasToken })
    expect(await text((await provider.read('a')).body)).toBe('hello')
    expect(provider.presign).toBeUndefined()
  })

  test('with a stored access policy', async () => {
    const { open } = await placeOf(server)
    expect((await open({}, { sasToken: 'si=policy&sr=c&sig=abc' })).presign).toBeUndefined()
  })
})

describe('Azure Blob: why the default chain found no credentials', () => {
  const place = location.parse({ account: 'account', container: 'container' })
  const chain = (...messages: string[]) =>
    Object.assign(new Error(messages.join()), {
      name: 'AggregateAuthenticationError',
      errors: messages.map((message) => new Error(message)),
    })
  const noIdentity = 'ManagedIdentityCredential: Network unreachable. Message: connect ETIMEDOUT 169.254.169.254:80'

  test.for([
    { what: 'none is there', messages: ['EnvironmentCredential is unavailable.', noIdentity], code: 'BAD_CREDENTIALS' },
    { what: 'one cannot sign in for the network', messages: ['network_error: x', noIdentity], code: 'UNREACHABLE' },
  ])('$what: $code', ({ messages, code }) => {
    expect(azureError(chain(...messages), { place, key: undefined })).toMatchObject({ code })
  })
})
