import { type AzureServer, startAzure } from '@sluice/testkit/azure.ts'
import { environment } from '@sluice/testkit/egress.ts'
import { type GcsServer, startGcs } from '@sluice/testkit/gcs.ts'
import { type S3Server, startS3 } from '@sluice/testkit/s3.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ProviderKind } from '../../src/providers/provider.ts'
import { type ProviderName, providers } from '../../src/providers/registry.ts'
import { type CheckStep, type CheckSubject, checkConnection } from '../../src/storages/check.ts'
import { hintFor } from '../../src/storages/hints.ts'
import { fronted as azureFronted } from '../providers/azure-place.ts'
import { bucketOn } from '../providers/gcs-place.ts'
import { fronted, keyPair } from '../providers/s3-place.ts'

let s3: S3Server
let gcs: GcsServer
let azure: AzureServer
beforeAll(async () => {
  ;[s3, gcs, azure] = await Promise.all([startS3(), startGcs(), startAzure()])
})
afterAll(async () => {
  await Promise.all([s3?.stop(), gcs?.stop(), azure?.stop()])
})

/** The failed step of a check as an app does it; undefined if all is well. */
async function failedStep(
  provider: ProviderName,
  [location, secrets]: [location: object, secrets: object],
  more: Partial<CheckSubject> = {},
): Promise<CheckStep | undefined> {
  const kind: ProviderKind = providers[provider]
  const steps = await checkConnection({
    ...environment,
    provider,
    direction: 'IMPORT',
    prefix: '',
    open: () => kind.open(kind.location.parse(location), kind.secrets.parse(secrets), environment),
    takes: () => true,
    readsTasks: true,
    recursive: true,
    presigns: true,
    publicEndpoint: false,
    ...more,
  })
  return steps.find(({ status }) => status === 'FAILED')
}

const body = (what: string) => `<?xml version="1.0"?><Error><Code>${what}</Code><Message>no</Message></Error>`
const keys = Array.from({ length: 40 }, (_, n) => `${String(n).padStart(2, '0')}.json`)
const objects = Object.fromEntries(keys.map((key) => [key, '{}']))

/** A place of 40 objects of which those that `refuses` are answered with a code when they are read; from the API and by URL. */
const places: Partial<
  Record<
    ProviderName,
    { archived: string; start: (code: string, refuses: (key: string) => boolean) => Promise<[object, object]> }
  >
> = {
  S3: {
    archived: 'InvalidObjectState',
    async start(code, refuses) {
      const { bucket, endpoint, front } = await fronted(s3, { objects })
      front.fail({
        times: Infinity,
        status: 403,
        code,
        match: ({ operation, key }) => operation === 'GetObject' && refuses(key),
      })
      return [{ bucket, endpoint }, keyPair]
    },
  },
  AZURE_BLOB: {
    archived: 'BlobArchived',
    async start(code, refuses) {
      const { location, front } = await azureFronted(azure, objects)
      const keyOf = (url = '') => decodeURIComponent(url.split('?')[0]!.split('/').at(-1)!)
      const match = ({ method, url }: { method?: string; url?: string }) =>
        method === 'GET' && !url?.includes('comp=list') && refuses(keyOf(url))
      front.fail({
        times: Infinity,
        match,
        answer: {
          status: code === 'BlobArchived' ? 409 : 403,
          headers: { 'content-type': 'application/xml', 'x-ms-error-code': code },
          body: body(code),
        },
      })
      return [{ ...location, endpoint: front.endpoint }, { accountKey: azure.accountKey }]
    },
  },
}

describe.for(Object.keys(places) as ProviderName[])('the check of %s, where objects are archived,', (name) => {
  const { archived, start } = places[name]!

  it.for([
    ['the first object', (key: string) => key === keys[0]],
    ['the first 30 objects', (key: string) => key < keys[30]!],
    ['all objects but the last', (key: string) => key !== keys.at(-1)],
  ] as const)('accepts a bucket of which %s cannot be read', async ([, refuses]) => {
    const place = await start(archived, refuses)
    expect(await failedStep(name, place)).toBeUndefined()
    expect(await failedStep(name, place, { readsTasks: false }), 'by signed URL').toBeUndefined()
  })

  it('says ARCHIVED, with what to do and without a word about permissions, if none can be read', async () => {
    const place = await start(archived, () => true)
    const hint = hintFor('ARCHIVED', name)
    expect(hint).toMatch(/Restore/)
    expect(await failedStep(name, place)).toMatchObject({ name: 'READ_OBJECT', code: 'ARCHIVED', hint })
    expect(await failedStep(name, place, { readsTasks: false })).toMatchObject({
      name: 'PRESIGN',
      code: 'ARCHIVED',
      hint,
    })
  })

  it('says DENIED only if most objects are denied', async () => {
    const code = name === 'S3' ? 'AccessDenied' : 'AuthorizationPermissionMismatch'
    const one = await start(code, (key) => key === keys[0])
    expect(await failedStep(name, one)).toBeUndefined()
    expect(await failedStep(name, one, { readsTasks: false }), 'by signed URL').toBeUndefined()
    const all = await start(code, () => true)
    expect(await failedStep(name, all)).toMatchObject({ name: 'READ_OBJECT', code: 'DENIED' })
    expect(await failedStep(name, all, { readsTasks: false })).toMatchObject({ name: 'PRESIGN', code: 'DENIED' })
  })
})

describe.for<[ProviderName, (objects: Record<string, string>) => Promise<[object, object]>]>([
  [
    'S3',
    async (objects) => {
      const { bucket, endpoint } = await fronted(s3, { objects })
      return [{ bucket, endpoint }, keyPair]
    },
  ],
  [
    'GCS',
    async (objects) => {
      const { bucket, endpoint, serviceAccountJson } = await bucketOn(gcs, { objects })
      return [{ bucket, endpoint }, { serviceAccountJson }]
    },
  ],
])('the check of %s, where keys have dot segments,', ([name, start]) => {
  it('tries a signed URL of another object', async () => {
    const place = await start({ '../a.json': '{}', 'a/./b.json': '{}', 'c.json': '{}' })
    expect(await failedStep(name, place)).toBeUndefined()
  })

  it('tries no signed URL if all keys have them, because links stream such objects', async () => {
    expect(await failedStep(name, await start({ '../a.json': '{}', 'a/../b.json': '{}' }))).toBeUndefined()
  })
})

describe('an object whose key ends in a slash', () => {
  const content = { 'empty/': '', 'full/': '{"n":1}' }
  it.for<[ProviderName, () => Promise<[object, object]>]>([
    [
      'S3',
      async () => {
        const { bucket, endpoint } = await fronted(s3, { objects: content })
        return [{ bucket, endpoint }, keyPair]
      },
    ],
    [
      'GCS',
      async () => {
        const { bucket, endpoint, serviceAccountJson } = await bucketOn(gcs, { objects: content })
        return [{ bucket, endpoint }, { serviceAccountJson }]
      },
    ],
    [
      'AZURE_BLOB',
      async () => {
        const { location } = await azureFronted(azure, content)
        return [location, { accountKey: azure.accountKey }]
      },
    ],
  ])('is an object for the check of %s if it has bytes', async ([name, start]) => {
    expect(await failedStep(name, await start())).toBeUndefined()
  })

  it('is a folder marker if it has no bytes: EMPTY_PREFIX if there is nothing else', async () => {
    const { bucket, endpoint } = await fronted(s3, { objects: { 'empty/': '' } })
    expect(await failedStep('S3', [{ bucket, endpoint }, keyPair])).toMatchObject({ code: 'EMPTY_PREFIX' })
  })
})

describe('a folder entry of Data Lake', () => {
  it.for(['true', 'True', 'TRUE'])('is no object with hdi_isfolder "%s", in any case of its name', async (value) => {
    const { open, put } = await azureFronted(azure)
    for (const name of ['hdi_isfolder', 'Hdi_isfolder', 'HDI_ISFOLDER']) {
      await put(`folder-${name}`, '', { [name]: value })
    }
    await put('object', '', { hdi_isfolder: 'false' })
    const { objects } = await (await open()).list({ cursor: null, limit: 10, recursive: true })
    expect(objects.map(({ key }) => key)).toEqual(['object'])
  })
})
