import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const { scripts } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
const [, arenas, options] = /MALLOC_ARENA_MAX=(\d+) exec node (.*) src\/main\.ts/.exec(scripts.start)!

/** The options of Node that `npm start` gives. */
export const startOptions: string[] = options!.split(' ')

/** The variables that it sets. */
export const startEnv = { MALLOC_ARENA_MAX: arenas! }

/** A Sluice of its own process. */
export interface SluiceProcess {
  pid: number
  stop(): Promise<void>
}

/** Starts Sluice as `npm start` does, with these settings over the defaults; resolves when it is ready. */
export async function startSluice(env: Record<string, string>, nodeOptions: string[] = []): Promise<SluiceProcess> {
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(process.execPath, [...startOptions, ...nodeOptions, main], {
    env: { PATH, HOME, NODE_ENV: 'production', ...startEnv, ...env },
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  process.once('exit', () => child.kill('SIGKILL'))
  let said = ''
  await Promise.race([
    new Promise<void>((resolve) =>
      child.stdout.on('data', (text) => {
        said += text
        if (said.includes('is ready')) resolve()
      }),
    ),
    ended.then(([code]) => {
      throw new Error(`Sluice has ended with ${code}.`)
    }),
  ])
  return {
    pid: child.pid!,
    async stop() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** Resident memory of a process, in MiB (proc(5), `VmRSS`). */
export function residentMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
}

/** Seconds of processor time that a process and its children have taken (proc(5), `utime` and `stime`). */
export function cpuSeconds(pid: number): number {
  const own = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  const theirs = children === '' ? [] : children.split(' ').map(Number)
  return (Number(own[11]) + Number(own[12])) / 100 + theirs.reduce((sum, child) => sum + cpuSeconds(child), 0)
}
