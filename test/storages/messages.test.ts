import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { environment } from '@sluice/testkit/egress.ts'
import { createTarget } from '@sluice/testkit/exports.ts'
import { startGcs } from '@sluice/testkit/gcs.ts'
import { type KindWorld, startKindWorld } from '@sluice/testkit/kind-world.ts'
import { isRoot, nobody } from '@sluice/testkit/launch.ts'
import { startSmallRedis } from '@sluice/testkit/redis-small.ts'
import { createStorage } from '@sluice/testkit/scenario.ts'
import { kindNames } from '@sluice/testkit/storage-kinds.ts'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { ValidationError } from '../../src/errors.ts'
import { redis } from '../../src/providers/redis/kind.ts'
import type { ProviderName } from '../../src/providers/registry.ts'
import { checkOf } from './check-table.ts'

/** The location of a world with other fields. */
function changed({ location }: KindWorld, fields: Record<string, unknown>): Record<string, unknown> {
  const [[name, own]] = Object.entries(location) as [[string, object]]
  return { [name]: { ...own, ...fields } }
}

const prefixField = (name: ProviderName) => (name === 'REDIS' || name === 'LOCAL_FILES' ? 'path' : 'prefix')

const failedStep = async (world: KindWorld, candidate: Parameters<typeof checkOf>[1]) => {
  const { check, ...fault } = await checkOf({ app: world.app, project: world.project } as never, candidate)
  if (!check) throw new Error(`Nothing was checked: ${JSON.stringify(fault)}`)
  return check.steps.find(({ status }) => status === 'FAILED')
}

describe.each(kindNames)('the messages about a location of %s', (name) => {
  let world: KindWorld
  beforeAll(async () => {
    world = await startKindWorld(name)
    await world.put('in/a.txt', 'x')
  })
  afterAll(() => world?.stop())
  const isLocal = name === 'LOCAL_FILES'

  const itOfBuckets = isLocal ? undefined : it
  itOfBuckets?.('name a prefix that begins with a slash, and say what to enter', async () => {
    const location = changed(world, { [prefixField(name)]: '/in/' })
    expect(await failedStep(world, { location })).toMatchObject({
      code: 'EMPTY_PREFIX',
      message: expect.stringMatching(/under the prefix "\/in\/": it begins with "\/".* Enter it without: "in\/"\./),
    })
  })

  it('name a prefix with an asterisk, and say what to enter', async () => {
    const location = changed(world, { [prefixField(name)]: 'in/*.txt' })
    expect(await failedStep(world, { location })).toMatchObject({
      code: isLocal ? 'LOCAL_PATH_MISSING' : 'EMPTY_PREFIX',
      message: expect.stringMatching(/it contains "\*", which is no wildcard here\. Enter .* "in\/", and .* filter\./),
    })
  })

  it.each(['s3://bucket/in/', 'gs://bucket/in/', 'https://example.com/in/'])(
    'name a prefix that is a URI, such as %s, and say what to enter',
    async (prefix) => {
      const location = changed(world, { [prefixField(name)]: prefix })
      expect(await failedStep(world, { location })).toMatchObject({
        code: isLocal ? 'LOCAL_PATH_MISSING' : 'EMPTY_PREFIX',
        message: expect.stringMatching(/it begins with ".*:\/\/".* Enter only what follows the bucket: "in\/?"\./),
      })
    },
  )

  it('do not blame a prefix that is only empty', async () => {
    if (isLocal) mkdirSync(join(world.app.localRoot, 'empty'))
    const location = changed(world, { [prefixField(name)]: 'empty/' })
    expect((await failedStep(world, { location }))?.message).toBe('No object was found under this prefix.')
  })

  itOfBuckets?.('warn of a prefix with a slash at its start, to which exports would be written', async () => {
    const location = changed(world, { [prefixField(name)]: '/out' })
    const { check } = await checkOf({ app: world.app, project: world.project } as never, {
      location,
      direction: 'EXPORT',
    })
    expect(check?.steps.find((step) => step.name === 'WRITE_OBJECT')).toMatchObject({
      status: 'OK',
      hint: expect.stringContaining('it begins with "/"'),
    })
  })

  it('name an existing storage by its id in the API', async () => {
    const again = { projectId: world.project, location: world.location, skipCheck: true }
    const made = await createStorage(world.app, again)
    expect(made).toMatchObject({ code: 'DUPLICATE_STORAGE', existing: { id: world.storageId } })
    expect(made.message).toContain(`connected as the storage ${world.storageId}. `)
    const target = await createTarget(world.app, again)
    expect(target).toMatchObject({ existing: { id: world.storageId } })
    expect(target.message).toContain(`that of the import storage ${world.storageId}: `)
  })
})

describe.each([
  ['S3', 's3', 'bucket', ['s3://bucket', 's3://bucket/', 'S3://bucket', 's3a://bucket']],
  ['GCS', 'gcs', 'bucket', ['gs://bucket', 'gs://bucket/']],
  ['AZURE_BLOB', 'azureBlob', 'container', ['azure-blob://bucket', 'azure-blob://bucket/']],
  ['LOCAL_FILES', 'localFiles', 'path', ['local-files:///in', 'local-files:///in/']],
] as const)('a bucket of %s that is entered as its URI', (kind, input, field, uris) => {
  let world: KindWorld
  beforeAll(async () => {
    world = await startKindWorld(kind)
    await world.put('in/a.txt', 'x')
  })
  afterAll(() => world?.stop())

  it.each(uris)('%s is accepted, and counts as the same place', async (uri) => {
    const location = changed(world, { [field]: uri })
    const { check } = await checkOf({ app: world.app, project: world.project } as never, { location })
    expect(check?.ok).toBe(true)
    const twin = await createStorage(world.app, { projectId: world.project, location, skipCheck: true })
    expect(twin).toMatchObject({ code: 'DUPLICATE_STORAGE' })
  })

  const itOfBuckets = field === 'path' ? undefined : it
  itOfBuckets?.('with a path is refused with the advice to put the folder into prefix', async () => {
    const location = changed(world, { [field]: `${uris[0]}/photos/` })
    const { fieldErrors } = await checkOf({ app: world.app, project: world.project } as never, { location })
    expect(fieldErrors).toEqual([
      { path: `input.location.${input}.${field}`, message: expect.stringContaining('put the folder into prefix') },
    ])
  })
})

describe('the endpoint of another service of an Azure account', () => {
  let world: KindWorld
  beforeAll(async () => {
    world = await startKindWorld('AZURE_BLOB')
  })
  afterAll(() => world?.stop())

  it.each([
    ['https://acme.dfs.core.windows.net', 'https://acme.blob.core.windows.net'],
    ['https://acme.dfs.core.windows.net/', 'https://acme.blob.core.windows.net'],
    ['https://acme.file.core.windows.net', 'https://acme.blob.core.windows.net'],
    ['https://acme.z6.web.core.windows.net', 'https://acme.blob.core.windows.net'],
    ['https://acme.dfs.core.chinacloudapi.cn', 'https://acme.blob.core.chinacloudapi.cn'],
  ])('%s is refused, and %s is named', async (endpoint, blob) => {
    const location = changed(world, { account: 'acme', endpoint })
    const { fieldErrors } = await checkOf({ app: world.app, project: world.project } as never, { location })
    expect(fieldErrors).toEqual([
      {
        path: 'input.location.azureBlob.endpoint',
        message: expect.stringContaining(`enter the blob endpoint ${blob}, `),
      },
    ])
  })
})

describe('a GCS service account key whose line breaks were lost', () => {
  it.each([
    [
      'escaped twice',
      (key: string) =>
        JSON.stringify({ ...JSON.parse(key), private_key: JSON.parse(key).private_key.replaceAll('\n', '\\n') }),
    ],
    [
      'escaped thrice',
      (key: string) =>
        JSON.stringify({ ...JSON.parse(key), private_key: JSON.parse(key).private_key.replaceAll('\n', '\\\\n') }),
    ],
    [
      'escaped twice, of Windows',
      (key: string) =>
        JSON.stringify({ ...JSON.parse(key), private_key: JSON.parse(key).private_key.replaceAll('\n', '\\r\\n') }),
    ],
    ['not escaped', (key: string) => key.replaceAll('\\n', '\n')],
    ['made spaces', (key: string) => key.replaceAll('\\n', ' ')],
    ['inside a JSON string', (key: string) => JSON.stringify(key)],
  ])('(%s) is repaired, signs in and signs URLs', async (_how, broken) => {
    const { gcs } = await import('../../src/providers/gcs/kind.ts')
    const server = await startGcs()
    onTestFinished(async () => void (await server.stop()))
    server.createBucket('photos')
    server.put('photos', 'a.txt', 'hello')
    const secrets = gcs.secrets.parse({ serviceAccountJson: broken(server.newAccount().keyFile) })
    const place = gcs.location.parse({ bucket: 'photos', endpoint: server.endpoint })
    const provider = await gcs.open(place, secrets, environment)
    onTestFinished(() => provider.close())
    await provider.check()
    const url = await provider.presign!('a.txt', { ttlSeconds: 60 })
    expect(await (await fetch(url)).text()).toBe('hello')
  })
})

describe('the hint for a refusal of Redis', () => {
  it.each([
    ["READONLY You can't write against a read only replica.", 'DENIED', /primary/],
    ['DENIED Redis is running in protected mode because protected mode is enabled', 'DENIED', /protected-mode/],
    [
      'MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk.',
      'UNREACHABLE',
      /[Ff]ree space on the disk/,
    ],
    ["OOM command not allowed when used memory > 'maxmemory'.", 'THROTTLED', /maxmemory/],
  ])('"%s" is %s, and is not about access lists', async (reply, code, words) => {
    const server = await startSmallRedis()
    onTestFinished(() => server.stop())
    server.fail({ times: Infinity, match: ({ name }) => name === 'set', error: reply })
    const { host, port } = server
    const place = await redis.open(redis.location.parse({ host, port, db: 1 }), {}, environment)
    onTestFinished(() => place.close())
    const error = await place.write('a', Buffer.from('x')).catch((fault) => fault)
    expect(error).toMatchObject({ code, hint: expect.stringMatching(words) })
    expect(error.hint).not.toContain('ACL SETUSER NAME')
  })

  it('reaches the check of an export storage', async () => {
    const world = await startKindWorld('REDIS')
    onTestFinished(world.stop)
    const server = await startSmallRedis()
    onTestFinished(() => server.stop())
    server.fail({ times: Infinity, match: ({ name }) => name === 'set', error: 'READONLY replica' })
    const location = changed(world, { host: server.host, port: server.port })
    expect(await failedStep(world, { location, direction: 'EXPORT' })).toMatchObject({
      name: 'WRITE_OBJECT',
      code: 'DENIED',
      hint: expect.stringContaining('master_host'),
    })
  })
})

describe('a folder that the server may not read', () => {
  it('has a hint about the user of the server, not about credentials', async () => {
    const world = await startKindWorld('LOCAL_FILES')
    onTestFinished(world.stop)
    const folder = join(world.app.localRoot, 'closed')
    mkdirSync(folder)
    chmodSync(folder, 0)
    onTestFinished(() => chmodSync(folder, 0o700))
    if (isRoot) {
      // Root may read every folder.
      chmodSync(world.app.localRoot, 0o755)
      process.seteuid!(nobody.uid)
      onTestFinished(() => process.seteuid!(0))
    }
    const step = await failedStep(world, { location: { localFiles: { path: 'closed' } } })
    expect(step).toMatchObject({ code: 'DENIED', hint: expect.stringContaining('user that the server runs as') })
    expect(step?.message).not.toContain('redentials')
  })
})

describe('the message of a ValidationError', () => {
  it('separates its faults by a semicolon', () => {
    const error = new ValidationError([
      { path: 'input.title', message: 'must not be empty' },
      { path: 'input.dataKey', message: 'must not be empty' },
    ])
    expect(error.message).toBe('input.title: must not be empty; input.dataKey: must not be empty')
  })

  it('is the same in the API', async () => {
    const world = await startKindWorld('LOCAL_FILES')
    onTestFinished(world.stop)
    const { updateProject } = await world.app.request(
      `mutation ($id: ID!) { updateProject(input: { id: $id, title: " ", dataKey: "" }) { ... on Error { message } } }`,
      { id: world.project },
    )
    expect(updateProject.message).toBe('input.title: must not be empty; input.dataKey: must not be empty')
  })
})
