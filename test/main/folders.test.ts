import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { createClient } from '@sluice/testkit/client.ts'
import { isRoot, launch, nobody, otherUser, postgresRuns, temporaryFolder } from '@sluice/testkit/launch.ts'
import { createProject, createStorage } from '@sluice/testkit/scenario.ts'
import { describe, expect, it, onTestFinished } from 'vitest'

function folder(): string {
  const made = temporaryFolder()
  onTestFinished(made.remove)
  return made.path
}

/** Starts on the folder, makes a project and stops. */
async function worksOn(dataDir: string, options: Parameters<typeof launch>[1] = {}, given = dataDir) {
  const server = launch({ DATA_DIR: given }, options)
  const { url, token } = await server.ready()
  await createProject(createClient(url, token!), 'Here')
  expect((await server.end()).code).toBe(0)
  expect(postgresRuns(dataDir)).toBe(false)
}

/** The same, and starts and stops once more. */
async function livesOn(dataDir: string, options: Parameters<typeof launch>[1] = {}) {
  await worksOn(dataDir, options)
  const again = launch({ DATA_DIR: dataDir }, options)
  expect((await again.ready()).token).toBeUndefined()
  expect((await again.end()).code).toBe(0)
}

describe('the data folder', () => {
  it('may have spaces, umlauts, quotes and commas in its name', async () => {
    await worksOn(join(folder(), `Größe, "neu" & 'alt'`))
  })

  it('may have a longer path than a socket can have', async () => {
    await worksOn(join(folder(), ...Array.from({ length: 6 }, () => 'a-folder-with-a-long-name')))
  })

  it('may be relative to where the server is started', async () => {
    const cwd = folder()
    await worksOn(join(cwd, 'my data'), { cwd }, 'my data')
  })

  it('may belong to a user without any rights', async () => {
    const home = folder()
    chmodSync(home, 0o777)
    await livesOn(join(home, 'data'), { user: otherUser() })
  })

  it('may lie where only its owner may enter', async () => {
    const home = folder()
    chmodSync(home, 0o700)
    const dataDir = join(home, 'data')
    await livesOn(dataDir)
    expect(lstatSync(join(dataDir, 'postgres')).isDirectory()).toBe(true)
    expect(lstatSync(home).mode & 0o777).toBe(0o700)

    rmSync(dataDir, { recursive: true })
    const anew = launch({ DATA_DIR: dataDir })
    expect((await anew.ready()).token).toMatch(/^slc_/)
    await anew.end()
  })

  it.each([0o755, 0o777, 0o770])('is private to its owner, also if it existed with mode %o', async (mode) => {
    const dataDir = join(folder(), 'data')
    mkdirSync(dataDir)
    chmodSync(dataDir, mode)
    await livesOn(dataDir)
    expect(statSync(dataDir).mode & 0o777).toBe(0o700)
    if (isRoot) expect(statSync(join(dataDir, 'postgres')).uid).toBe(nobody.uid)
  })

  it.runIf(isRoot)('keeps a cluster that an older version created outside, and its link', async () => {
    const home = folder()
    const [dataDir, outside] = [join(home, 'data'), join(home, 'outside')]
    await worksOn(dataDir)
    mkdirSync(outside)
    renameSync(join(dataDir, 'postgres'), join(outside, 'postgres'))
    symlinkSync(join(outside, 'postgres'), join(dataDir, 'postgres'))
    const again = launch({ DATA_DIR: dataDir })
    expect((await again.ready()).token).toBeUndefined()
    expect((await again.end()).code).toBe(0)
  })

  it('is refused and not made private if many users share it, such as /tmp', async () => {
    const shared = folder()
    chmodSync(shared, 0o1777)
    const { code, output } = await launch({ DATA_DIR: shared }).ended
    expect([code, output]).toEqual([73, expect.stringContaining('several users share')])
    expect(statSync(shared).mode & 0o7777).toBe(0o1777)
  })

  it('is used as its owner when root starts the server', async () => {
    const dataDir = join(folder(), 'data')
    mkdirSync(dataDir)
    chmodSync(dataDir, 0o777)
    const user = otherUser()
    await worksOn(dataDir, { user })
    const server = launch({ DATA_DIR: dataDir })
    await server.ready()
    expect(statSync(join(dataDir, 'postgres', 'postmaster.pid')).uid).toBe(
      user.uid ?? (isRoot ? nobody.uid : process.getuid?.()),
    )
    expect((await server.end()).code).toBe(0)
  })

  it('contains nothing of a first start that was killed', async () => {
    const dataDir = folder()
    const half = join(dataDir, 'postgres.new-999999999')
    mkdirSync(half)
    writeFileSync(`${half}.password`, 'x')
    await worksOn(dataDir)
    expect(existsSync(half) || existsSync(`${half}.password`)).toBe(false)
  })
})

describe('LOCAL_FILES_ROOT', () => {
  const connect = async (env: Record<string, string>, path: string) => {
    const ADMIN_TOKEN = 'test-admin-token-0123456789'
    const server = launch({ DATA_DIR: folder(), ADMIN_TOKEN, ...env })
    const { url } = await server.ready()
    const client = createClient(url, ADMIN_TOKEN)
    const projectId = await createProject(client)
    const answer = await createStorage(client, { projectId, location: { localFiles: { path } } })
    await server.end()
    return answer
  }

  it('allows storages in its subfolders', async () => {
    const photos = join(folder(), 'photos')
    mkdirSync(photos)
    writeFileSync(join(photos, 'one.jpg'), 'x')
    const answer = await connect({ LOCAL_FILES_ROOT: dirname(photos) }, basename(photos))
    expect(answer.storage.id).toBeTruthy()
  })

  it('is by default in local mode the folder "files" next to the data folder, which the first start creates', async () => {
    const home = folder()
    const env = { DATA_DIR: join(home, 'data'), ADMIN_TOKEN: 'test-admin-token-0123456789' }
    const server = launch(env)
    const { url } = await server.ready()
    mkdirSync(join(home, 'files/photos'))
    writeFileSync(join(home, 'files/photos/one.jpg'), 'x')
    const client = createClient(url, env.ADMIN_TOKEN)
    const projectId = await createProject(client)
    const answer = await createStorage(client, { projectId, location: { localFiles: { path: 'photos' } } })
    expect(answer.storage.id).toBeTruthy()
    const { output } = await server.end()
    expect(output).toContain(`Local files ${join(home, 'files')}`)
  })

  it('does not prevent the start if the default folder "files" cannot be created', async () => {
    const home = folder()
    writeFileSync(join(home, 'files'), '')
    const answer = await connect({ DATA_DIR: join(home, 'data') }, 'photos')
    expect(answer.steps).toContainEqual(expect.objectContaining({ code: expect.stringMatching(/^LOCAL_/) }))
  })

  it('has no default if other machines can reach the server', async () => {
    const home = folder()
    mkdirSync(join(home, 'files/photos'), { recursive: true })
    const answer = await connect({ DATA_DIR: join(home, 'data'), HOST: '0.0.0.0' }, 'photos')
    expect(answer.steps).toContainEqual(expect.objectContaining({ code: 'LOCAL_FILES_DISABLED' }))
  })

  it('creates no folder by default if other machines can reach the server', async () => {
    const home = folder()
    const server = launch({ DATA_DIR: join(home, 'data'), HOST: '0.0.0.0' })
    await server.ready()
    await server.end()
    expect(existsSync(join(home, 'files'))).toBe(false)
  })

  it.each([
    ['does not exist', (_root: string) => {}],
    ['is not a folder', (root: string) => writeFileSync(root, '')],
  ])('that %s is reported by the start, which continues', async (words, make) => {
    const home = folder()
    const root = join(home, 'files')
    make(root)
    const server = launch({ DATA_DIR: join(home, 'data'), LOCAL_FILES_ROOT: root })
    await server.ready()
    const { code, output } = await server.end()
    expect([code, output]).toEqual([0, expect.stringContaining(`LOCAL_FILES_ROOT ${root} ${words}`)])
  })

  it.each([
    ['is the data folder', 'data'],
    ['contains the data folder', '.'],
    ['is inside the data folder', 'data/files'],
    ['is inside the data folder', 'link/files'],
    ['contains the data folder', 'data/..'],
  ])('that %s (%s) ends the start with 78 and creates nothing', async (words, root) => {
    const home = folder()
    symlinkSync(join(home, 'data'), join(home, 'link'))
    const env = { DATA_DIR: join(home, 'data'), LOCAL_FILES_ROOT: join(home, root) }
    const { code, output } = await launch(env).ended
    expect([code, output]).toEqual([78, expect.stringContaining(`LOCAL_FILES_ROOT: ${words}`)])
    expect(existsSync(env.DATA_DIR)).toBe(false)
  })
})

it.each(['SECRET_KEY_FILE', 'GOOGLE_APPLICATION_CREDENTIALS'])(
  'LOCAL_FILES_ROOT that contains the file of %s ends the start with 78',
  async (name) => {
    const home = folder()
    mkdirSync(join(home, 'files'))
    const file = join(home, 'files/key')
    writeFileSync(file, 'k'.repeat(32))
    const env = { DATA_DIR: join(home, 'data'), LOCAL_FILES_ROOT: join(home, 'files'), [name]: file }
    const { code, output } = await launch(env).ended
    expect([code, output]).toEqual([78, expect.stringContaining('LOCAL_FILES_ROOT: contains a file with secrets')])
  },
)
