import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { startEmbedded } from '../src/database/embedded.ts'
import { withDataFolder } from './stage.ts'

/** Milliseconds of the first start on an empty data folder, and of a later one. */
export interface Starts {
  first: number[]
  later: number[]
}

/** From the start of the process of `src/main.ts` to its word that it is ready. */
export async function measureReady(rounds: number): Promise<Starts> {
  return measureStarts(rounds, async (dataDir) => {
    const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
    const env = { PATH: process.env.PATH, PORT: '0', DATA_DIR: dataDir }
    const start = performance.now()
    const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(child, 'exit')
    let took: number | undefined
    for await (const line of createInterface({ input: child.stdout })) {
      if (!line.startsWith('Sluice is ready')) continue
      took = performance.now() - start
      child.kill('SIGTERM')
    }
    await ended
    if (took === undefined) throw new Error('Sluice did not start.')
    return took
  })
}

/** PostgreSQL alone, by the function with which Sluice starts it. */
export async function measurePostgres(rounds: number): Promise<Starts> {
  return measureStarts(rounds, async (dataDir) => {
    const start = performance.now()
    const server = await startEmbedded({ dataDir })
    const took = performance.now() - start
    await server.stop()
    return took
  })
}

async function measureStarts(rounds: number, start: (dataDir: string) => Promise<number>): Promise<Starts> {
  const starts: Starts = { first: [], later: [] }
  for (let round = 0; round < rounds; round++) {
    await withDataFolder(async (dataDir) => {
      starts.first.push(await start(dataDir))
      starts.later.push(await start(dataDir))
    })
  }
  return starts
}
