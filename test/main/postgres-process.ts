import { type ChildProcess, fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectFolder, temporaryFolder } from '@sluice/testkit/launch.ts'
import { waitFor } from '@sluice/testkit/wait-for.ts'

/** A PostgreSQL that can be killed, and comes back at the same place. */
export interface PostgresProcess {
  url: string
  /** Ends it as a power cut does: no shutdown, nothing written. */
  kill(): Promise<void>
  start(): Promise<void>
  /** Kills it and removes its data. */
  remove(): Promise<void>
}

/** Starts PostgreSQL in processes of its own, on a new data folder. */
export async function startPostgresProcess(): Promise<PostgresProcess> {
  const folder = temporaryFolder('sluice-postgres-')
  let owner: ChildProcess
  const start = async () => {
    owner = fork(join(projectFolder, 'test/database/embedded-owner.ts'), [folder.path, 'durable'])
    const [{ url }] = await waitFor(owner, 'message')
    return url as string
  }
  const kill = async () => {
    const server = Number(readFileSync(join(folder.path, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0])
    // The owner first: it would shut the server down.
    owner.kill('SIGKILL')
    await waitFor(owner, 'exit')
    process.kill(server, 'SIGKILL')
  }
  const url = await start()
  return {
    url,
    kill,
    start: async () => void (await start()),
    async remove() {
      await kill()
      folder.remove()
    },
  }
}
