import { readdirSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { createClient } from '@sluice/testkit/client.ts'
import { launch, postgresRuns, projectFolder, temporaryFolder } from '@sluice/testkit/launch.ts'
import { startS3 } from '@sluice/testkit/s3.ts'
import { startFront } from '@sluice/testkit/s3-front.ts'
import { createProject, createStorage, finished, startSync } from '@sluice/testkit/scenario.ts'
import { until } from '@sluice/testkit/sql.ts'
import { waitFor } from '@sluice/testkit/wait-for.ts'
import { describe, expect, it, onTestFinished } from 'vitest'

function dataFolder(): string {
  const folder = temporaryFolder()
  onTestFinished(folder.remove)
  return folder.path
}

describe('an interrupt', () => {
  it('of npm start by Ctrl-C, which reaches the server twice, stops it in order', async () => {
    const dataDir = dataFolder()
    const npm = launch({ DATA_DIR: dataDir }, { command: ['npm', 'start'], cwd: projectFolder })
    await npm.ready()
    process.kill(-npm.child.pid!, 'SIGINT')
    const { output, code } = await npm.ended
    expect(output.trimEnd()).toMatch(/Stopping …$/)
    expect(code).toBe(0)
    expect(postgresRuns(dataDir)).toBe(false)
  })

  it('of npm alone stops the server, too', async () => {
    const dataDir = dataFolder()
    const npm = launch({ DATA_DIR: dataDir }, { command: ['npm', 'start'], cwd: projectFolder })
    await npm.ready()
    expect((await npm.end('SIGTERM')).output).toContain('Stopping …')
    expect(postgresRuns(dataDir)).toBe(false)
  })

  it('by a closed terminal stops the server', async () => {
    const dataDir = dataFolder()
    const server = launch({ DATA_DIR: dataDir })
    await server.ready()
    expect((await server.end('SIGHUP')).code).toBe(0)
    expect(postgresRuns(dataDir)).toBe(false)
  })

  it('during the first start leaves no incomplete data and no process', async () => {
    const dataDir = dataFolder()
    const server = launch({ DATA_DIR: dataDir })
    await until(() => readdirSync(dataDir).some((name) => name.startsWith('postgres')))
    const { code, output } = await server.end()
    expect(output).toBe('Stopping …\n')
    expect(code).toBe(0)
    expect(postgresRuns(dataDir)).toBe(false)
    expect(readdirSync(dataDir).filter((name) => name.includes('.new-'))).toEqual([])
  })

  it('ends the wait for a database that does not respond', async () => {
    const silent = createServer().listen(0, '127.0.0.1')
    await waitFor(silent, 'listening')
    onTestFinished(() => void silent.close())
    const { port } = silent.address() as AddressInfo
    const server = launch({ DATA_DIR: dataFolder(), DATABASE_URL: `postgres://me:secret@127.0.0.1:${port}/x` })
    const [socket] = await waitFor(silent, 'connection')
    expect(await server.end()).toEqual({ code: 0, output: 'Stopping …\n' })
    socket.destroy()
  })

  it('requeues a running sync, and the next start finishes it', async () => {
    const s3 = await startS3()
    const front = await startFront({ target: s3.endpoint })
    onTestFinished(async () => {
      await s3.stop()
      await front.stop()
    })
    await s3.createBucket('many')
    await s3.seed('many', { count: 1_500 })
    const held = front.fail({ match: ({ url }) => url.includes('start-after'), hold: true })

    const env = { DATA_DIR: dataFolder(), ADMIN_TOKEN: 'a-token-for-two-starts-1234' }
    const first = launch(env)
    const client = createClient((await first.ready()).url, env.ADMIN_TOKEN)
    const projectId = await createProject(client)
    const s3Location = { bucket: 'many', endpoint: front.endpoint, accessKeyId: 'a', secretAccessKey: 'b' }
    const { storage } = await createStorage(client, { projectId, location: { s3: s3Location } })
    const run = await startSync(client, storage.id)
    await held.met
    expect((await first.end()).code).toBe(0)
    held.release()

    const second = launch(env)
    const again = createClient((await second.ready()).url, env.ADMIN_TOKEN)
    expect(await finished(again, run)).toMatchObject({
      status: 'COMPLETED',
      attempt: 2,
      counters: { listed: 1_500, created: 1_500 },
    })
    await again.close()
    expect((await second.end()).code).toBe(0)
  })
})
