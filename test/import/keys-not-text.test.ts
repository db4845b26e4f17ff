import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type KindWorld, startKindWorld } from '@sluice/testkit/kind-world.ts'
import { createProject, createStorage, finished, sync } from '@sluice/testkit/scenario.ts'
import { tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const bytes = (...parts: (string | number)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.of(part))))

const preview = `query ($input: PreviewObjectsInput!) { previewObjects(input: $input) { takenCount objects { key rule } } }`
const check = `mutation ($input: CheckStorageInput!) { checkStorage(input: $input) {
  ... on CheckStorageSuccess { check { ok } } ... on Error { message } } }`

describe('local names that are not UTF-8', () => {
  let world: KindWorld
  beforeAll(async () => {
    world = await startKindWorld('LOCAL_FILES')
  })
  afterAll(() => world?.stop())

  it.each(['FILES', 'TASKS'])(
    'of files and folders are issues KEY_NOT_TEXT, and their siblings are imported (%s)',
    async (importMethod) => {
      const path = `not-text-${importMethod}`
      const root = bytes(join(world.app.localRoot, path))
      const put = (...name: (string | number)[]) => writeFileSync(bytes(root.toString(), '/', ...name), '{"n":1}')
      mkdirSync(root)
      mkdirSync(bytes(root.toString(), '/d', 0xff, 'r'))
      put('a.json')
      put('caf', 0xe9, '.json')
      put('caf', 0xe8, '.json')
      put('café.json')
      put('d', 0xff, 'r/x.json')
      put('z.json')
      put('\ufffd.json')
      const project = await createProject(world.app)
      const location = { localFiles: { path } }
      const { storage } = await createStorage(world.app, { projectId: project, location, importMethod })
      expect(storage?.id).toBeTruthy()
      const bad = [`${path}/caf\\xe8.json`, `${path}/caf\\xe9.json`, `${path}/d\\xffr/x.json`]
      for (const counters of [
        { created: 4, existed: 0 },
        { created: 0, existed: 4 },
      ]) {
        const run = await sync(world.app, storage.id)
        expect(run).toMatchObject({
          status: 'COMPLETED_WITH_ERRORS',
          counters: { ...counters, listed: 7, failed: 3, missing: 0 },
        })
        expect(run.issues.map(({ key, code }: { key: string; code: string }) => `${code} ${key}`).sort()).toEqual(
          bad.map((key) => `KEY_NOT_TEXT ${key}`),
        )
      }
      expect(await tasksOf(world.app, project)).toHaveLength(4)
      const { previewObjects } = await world.app.request(preview, { input: { id: storage.id } })
      expect(previewObjects.takenCount).toBe(4)
      for (const key of bad) expect(previewObjects.objects).toContainEqual({ key, rule: 'KEY_NOT_TEXT' })
      const { checkStorage } = await world.app.request(check, { input: { projectId: project, location } })
      expect(checkStorage.check.ok).toBe(true)
    },
  )

  it('do not hide missing objects, also at the end of a page', async () => {
    const path = 'many-not-text'
    const root = bytes(join(world.app.localRoot, path))
    mkdirSync(root)
    for (let n = 0; n < 2_200; n++) {
      const name = n % 200 < 3 ? bytes('k', String(1_000 + n), 0xe9) : bytes('k', String(1_000 + n), '.json')
      writeFileSync(Buffer.concat([root, bytes('/'), name]), 'x')
    }
    const project = await createProject(world.app)
    const { storage } = await createStorage(world.app, { projectId: project, location: { localFiles: { path } } })
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { listed: 2_200, created: 2_167, failed: 33 } })
    for (const n of [1_004, 1_999, 2_003, 2_005, 3_199]) rmSync(join(world.app.localRoot, path, `k${n}.json`))
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { existed: 2_162, failed: 33, missing: 5 } })
  })
})

describe('S3 keys that are not UTF-8, from servers that store objects as files,', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld()
  })
  afterAll(() => world?.stop())

  const page = (keys: (string | Buffer)[], { more = false, encoding = 'url' } = {}) => ({
    status: 200,
    headers: { 'content-type': 'application/xml' },
    body: Buffer.concat([
      bytes(`<ListBucketResult><Name>b</Name><IsTruncated>${more}</IsTruncated>`),
      bytes(encoding === '' ? '' : `<EncodingType>${encoding}</EncodingType>`),
      ...keys.flatMap((key) => [
        bytes('<Contents><Key>'),
        Buffer.from(key as string),
        bytes('</Key><Size>1</Size></Contents>'),
      ]),
      bytes('</ListBucketResult>'),
    ]) as unknown as string,
  })

  it.each([
    ['percent-encoded', page(['a.json', 'caf%E9.json', 'z.json'])],
    ['raw', page(['a.json', bytes('caf', 0xe9, '.json'), 'z.json'], { encoding: '' })],
  ])('are issues KEY_NOT_TEXT, %s', async (_how, answer) => {
    const storage = await world.storage({ objects: {} })
    const fault = world.front.fail({
      ...{ times: Infinity, answer },
      match: ({ operation, bucket }) => operation === 'ListObjectsV2' && bucket === storage.bucket,
    })
    const run = await sync(world.app, storage.id)
    expect(run).toMatchObject({
      status: 'COMPLETED_WITH_ERRORS',
      counters: { listed: 3, created: 2, failed: 1 },
      issues: [{ key: 'caf\\xe9.json', code: 'KEY_NOT_TEXT' }],
    })
    fault.release()
  })

  it('at the end of a page are skipped: the next page begins before them, and lists nothing twice', async () => {
    const storage = await world.storage({ objects: {} })
    const asked: string[] = []
    const list = (isFirst: boolean, answer: ReturnType<typeof page>) =>
      world.front.fail({
        ...{ times: Infinity, answer },
        match: ({ operation, bucket, url }) => {
          const start = new URL(url, 'http://s3').search.match(/start-after=([^&]*)/)?.[1]
          if (operation !== 'ListObjectsV2' || bucket !== storage.bucket || (start === undefined) !== isFirst)
            return false
          if (start !== undefined) asked.push(start)
          return true
        },
      })
    const faults = [
      list(true, page(['a.json', 'caf%E9.json'], { more: true })),
      list(false, page(['caf%E9.json', 'caf%E9x.json', 'z.json'])),
    ]
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { listed: 4, created: 2, failed: 2 } })
    expect(asked[0]).toBe('caf%E8%BF%BF%F4%8F%BF%BF')
    expect(await sync(world.app, storage.id)).toMatchObject({
      counters: { listed: 4, existed: 2, failed: 2, missing: 0 },
    })
    for (const fault of faults) fault.release()
  })
})

describe.each(['GCS', 'AZURE_BLOB', 'REDIS'] as const)('in %s, keys that are not text', (kind) => {
  let world: KindWorld
  beforeAll(async () => {
    world = await startKindWorld(kind)
  })
  afterAll(() => world?.stop())

  it('are issues KEY_NOT_TEXT, and their siblings are imported', async () => {
    await world.put('in/a.json', '{}')
    await world.put('in/z.json', '{}')
    const project = await createProject(world.app)
    const { storage } = await createStorage(world.app, {
      projectId: project,
      location: world.location,
      skipCheck: true,
    })
    await addBadKey(world, kind)
    const run = await sync(world.app, storage.id)
    expect(run).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', counters: { failed: 1 } })
    expect(run.issues).toMatchObject([{ code: 'KEY_NOT_TEXT' }])
    expect(run.counters.created).toBeGreaterThanOrEqual(2)
    const { previewObjects } = await world.app.request(preview, { input: { id: storage.id } })
    expect(previewObjects.objects.map(({ rule }: { rule: string }) => rule)).toContain('KEY_NOT_TEXT')
    const { retryFailed } = await world.app.request(
      'mutation ($id: ID!) { retryFailed(runId: $id) { ... on RetryFailedSuccess { run { id } } ... on Error { message } } }',
      { id: run.id },
    )
    expect(await finished(world.app, retryFailed.run.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { created: 0 },
    })
  })
})

/** Makes a key that is no text be listed, by each kind's own way. */
async function addBadKey(world: KindWorld, kind: 'GCS' | 'AZURE_BLOB' | 'REDIS'): Promise<void> {
  if (kind === 'REDIS') {
    const { Redis } = await import('ioredis')
    const { host, port } = (world.location as { redis: { host: string; port: number } }).redis
    const client = new Redis({ host, port, db: 1, protocol: 2 })
    await client.set(bytes('in/caf', 0xe9), 'x')
    client.disconnect()
    return
  }
  world.listInstead!(
    kind === 'GCS'
      ? {
          type: 'application/json',
          body: JSON.stringify({
            items: ['in/a.json', 'in/caf', 'in/z.json'].map((name) => ({ name, size: '2', generation: '1' })),
          }).replace('in/caf', 'in/caf\\udce9'),
        }
      : {
          type: 'application/xml',
          body: `<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="" ContainerName="bucket"><Blobs>${[
            '<Name>in/a.json</Name>',
            '<Name Encoded="true">in%2Fcaf%E9</Name>',
            '<Name>in/z.json</Name>',
          ]
            .map((name) => `<Blob>${name}<Properties><Content-Length>2</Content-Length></Properties></Blob>`)
            .join('')}</Blobs><NextMarker /></EnumerationResults>`,
        },
  )
}
