import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, lstatSync, mkdirSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createClient } from '../support/client.ts'
import { createProject, createStorage } from '../support/scenario.ts'
import { launch, postgresRuns, projectFolder, temporaryFolder } from './launch.ts'

const nobody = { uid: 65534, gid: 65534 }
const isRoot = process.getuid?.() === 0

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

  it('may be deeper than the path of a socket may be long', async () => {
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

  it('may lie where only its owner may enter, and root makes PostgreSQL a place outside', async () => {
    const home = folder()
    chmodSync(home, 0o700)
    const dataDir = join(home, 'data')
    await livesOn(dataDir)
    const outside = () => (isRoot ? [dirname(readlinkSync(join(dataDir, 'postgres')))] : [])
    const first = outside()
    expect(lstatSync(home).mode & 0o777).toBe(0o700)

    rmSync(dataDir, { recursive: true })
    const anew = launch({ DATA_DIR: dataDir })
    expect((await anew.ready()).token).toMatch(/^slc_/)
    await anew.end()
    for (const made of [...first, ...outside()]) rmSync(made, { recursive: true })
  })

  it('of another user is served as that user when root starts on it', async () => {
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

  it('keeps nothing of a first start that was killed half-way', async () => {
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
    const server = launch({ DATA_DIR: folder(), ...env })
    const { url, token } = await server.ready()
    const client = createClient(url, token!)
    const projectId = await createProject(client)
    const answer = await createStorage(client, { projectId, location: { localFiles: { path } } })
    await server.end()
    return answer
  }

  it('lets folders below it be connected', async () => {
    const photos = join(folder(), 'photos')
    mkdirSync(photos)
    writeFileSync(join(photos, 'one.jpg'), 'x')
    const answer = await connect({ LOCAL_FILES_ROOT: dirname(photos) }, basename(photos))
    expect(answer.storage.id).toBeTruthy()
  })

  it('unset means that none may be', async () => {
    const answer = await connect({}, 'photos')
    expect(answer.steps).toContainEqual(expect.objectContaining({ code: 'LOCAL_FILES_DISABLED' }))
  })
})

/** Somebody without rights, if this user may become that and they may read the project; else this user. */
function otherUser(): { uid?: number; gid?: number } {
  if (!isRoot) return {}
  const tried = spawnSync(process.execPath, ['-e', '0'], { ...nobody, cwd: projectFolder })
  return tried.status === 0 ? nobody : {}
}
