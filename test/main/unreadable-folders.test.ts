import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClient, type GraphqlClient } from '@sluice/testkit/client.ts'
import { isRoot, type Launched, launch, otherUser, temporaryFolder } from '@sluice/testkit/launch.ts'
import { createProject, createStorage, sync } from '@sluice/testkit/scenario.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const ADMIN_TOKEN = 'test-admin-token-0123456789'
const home = temporaryFolder()
const root = join(home.path, 'files')
let server: Launched
let client: GraphqlClient

// Root may read every folder. The server runs as an ordinary user, whoever starts the test.
beforeAll(async () => {
  const user = otherUser()
  if (isRoot && user.uid === undefined)
    throw new Error('This test needs a user without rights that may read the project.')
  mkdirSync(root)
  mkdirSync(join(home.path, 'data'))
  chmodSync(join(home.path, 'data'), 0o777)
  const env = { DATA_DIR: join(home.path, 'data'), LOCAL_FILES_ROOT: root, ADMIN_TOKEN }
  server = launch(env, { user })
  client = createClient((await server.ready()).url, ADMIN_TOKEN)
})
afterAll(async () => {
  await client?.close()
  await server?.end()
  home.remove()
})

const put = (key: string, body = '{}') => {
  mkdirSync(join(root, key, '..'), { recursive: true })
  writeFileSync(join(root, key), body)
}

async function connect(path: string, settings: Record<string, unknown> = {}) {
  const project = await createProject(client)
  const location = { localFiles: { path } }
  const { storage } = await createStorage(client, { projectId: project, location, skipCheck: true, ...settings })
  return { id: storage.id as string, project, location }
}

async function checkOf(project: string, location: object) {
  const { checkStorage } = await client.request(
    `mutation ($input: CheckStorageInput!) { checkStorage(input: $input) {
      ... on CheckStorageSuccess { check { ok steps { name status code message hint } } } ... on Error { message } } }`,
    { input: { projectId: project, location } },
  )
  return checkStorage.check
}

const preview = async (id: string) =>
  (
    await client.request(
      `query ($input: PreviewObjectsInput!) { previewObjects(input: $input) { takenCount isComplete objects { key rule } } }`,
      { input: { id } },
    )
  ).previewObjects

/** No answer tells where the folder is. */
const expectNoPath = (answer: unknown) => expect(JSON.stringify(answer)).not.toContain(home.path)

describe.each(['FILES', 'TASKS'])(
  'a local folder with subfolders that the server may not read (%s)',
  (importMethod) => {
    const path = `in-${importMethod}`
    const closed = [`${path}/denied/`, `${path}/names only/`]
    const close = (isClosed: boolean) => {
      chmodSync(join(root, path, 'denied'), isClosed ? 0 : 0o755)
      // Their names can be listed, and nothing else be known of them.
      chmodSync(join(root, path, 'names only'), isClosed ? 0o744 : 0o755)
    }

    it('imports the siblings, reports each such folder as DENIED, and counts nothing below it as missing', async () => {
      for (const key of [
        'a.json',
        'denied/b.json',
        'denied/sub/c.json',
        'denied.json',
        'names only/d.json',
        'z.json',
      ]) {
        put(`${path}/${key}`)
      }
      symlinkSync('denied/b.json', join(root, path, 'link.json'))
      const { id, project, location } = await connect(path, { importMethod, missingPolicy: 'DELETE_UNANNOTATED' })
      expect(await sync(client, id)).toMatchObject({ status: 'COMPLETED', counters: { created: 7 } })
      close(true)
      for (let time = 0; time < 2; time++) {
        const run = await sync(client, id)
        expect(run).toMatchObject({
          ...{ status: 'COMPLETED_WITH_ERRORS', failure: null },
          counters: { listed: 3, existed: 3, missing: 0, deleted: 0, failed: 3 },
        })
        const keys = run.issues.map(({ key }: { key: string }) => key).sort()
        expect(keys).toEqual([...closed, `${path}/link.json`].sort())
        expect(run.issues.every(({ code }: { code: string }) => code === 'DENIED')).toBe(true)
        expectNoPath(run)
      }
      const check = await checkOf(project, location)
      expect(check.ok).toBe(true)
      expect(check.steps.find(({ name }: { name: string }) => name === 'FIND_OBJECT').message).toContain(
        `"${closed[0]}"`,
      )
      expectNoPath(check)
      const shown = await preview(id)
      expect(shown).toMatchObject({ takenCount: 3, isComplete: true })
      for (const key of closed) expect(shown.objects).toContainEqual({ key, rule: 'DENIED' })

      close(false)
      expect(await sync(client, id)).toMatchObject({
        status: 'COMPLETED',
        counters: { listed: 7, existed: 7, created: 0, missing: 0, failed: 0 },
      })
      close(true)
      put(`${path}/e.json`)
      expect(await sync(client, id)).toMatchObject({ counters: { created: 1, missing: 0 } })
      close(false)
    })
  },
)

describe('a local folder that the server may not read at all', () => {
  it('fails the sync and the check with DENIED, without a path', async () => {
    put('all/a.json')
    const { id, project, location } = await connect('all')
    chmodSync(join(root, 'all'), 0)
    const run = await sync(client, id)
    expect(run).toMatchObject({ status: 'FAILED', failure: expect.stringContaining('operating system') })
    expectNoPath(run)
    const check = await checkOf(project, location)
    expect(check.steps.find(({ status }: { status: string }) => status === 'FAILED')).toMatchObject({
      ...{ name: 'OPEN', code: 'DENIED' },
    })
    expectNoPath(check)
    chmodSync(join(root, 'all'), 0o755)
    chmodSync(join(root, 'all/a.json'), 0)
    await sync(client, id)
    const answer = await client.request(
      `mutation ($input: UpdateImportStorageInput!) { updateImportStorage(input: $input) { __typename ... on Error { code message }
        ... on ConnectionCheckError { steps { name code message } } } }`,
      { input: { id, importMethod: 'TASKS' } },
    )
    expect(answer.updateImportStorage.steps).toContainEqual(
      expect.objectContaining({ name: 'READ_OBJECT', code: 'DENIED' }),
    )
    expectNoPath(answer)
  })

  it('fails the check with DENIED, not EMPTY_PREFIX, if it has only such subfolders', async () => {
    put('only/closed/a.json')
    const { project } = await connect('only')
    chmodSync(join(root, 'only/closed'), 0)
    const check = await checkOf(project, { localFiles: { path: 'only' } })
    expect(check.steps.find(({ status }: { status: string }) => status === 'FAILED')).toMatchObject({
      ...{ name: 'FIND_OBJECT', code: 'DENIED' },
    })
    chmodSync(join(root, 'only/closed'), 0o755)
  })
})

it('a listing continues from page to page after unreadable folders', async () => {
  for (let n = 0; n < 1_500; n++) put(`many/${String(n).padStart(4, '0')}/a.json`)
  const { id } = await connect('many')
  const folders = readdirSync(join(root, 'many'))
  for (const name of folders) if (Number(name) % 3 > 0) chmodSync(join(root, 'many', name), 0)
  const run = await sync(client, id)
  expect(run).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', counters: { listed: 500, created: 500, failed: 1_000 } })
  for (const name of folders) chmodSync(join(root, 'many', name), 0o755)
  expect(await sync(client, id)).toMatchObject({ counters: { created: 1_000, existed: 500, failed: 0 } })
})
