import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { allowEmulators } from './egress.ts'
import { jobsSetting } from './jobs.ts'

const printSeconds = 20

/** The project's folder. */
export const projectFolder = fileURLToPath(new URL('../..', import.meta.url))

/** The build while vitest runs (vitest.config.ts): it starts in half the time. */
const mainFile = process.env.LAUNCHED_SERVER ?? 'src/main.ts'

// A start takes a quarter less processor time.
const compileCache = { NODE_COMPILE_CACHE: join(projectFolder, 'node_modules/.cache/compiled') }

/** How a process came to its end. */
interface Ended {
  /** The exit code; null when a signal ended it. */
  code: number | null
  /** All that it wrote, to both streams. */
  output: string
}

/** A Sluice in a process of its own. */
export interface Launched {
  child: ChildProcess
  /** Resolves with what was written so far once it holds `text`; rejects after 20 seconds, or when the process ends first. */
  prints(text: string): Promise<string>
  /** Resolves when the server is ready. */
  ready(): Promise<{ url: string; token: string | undefined }>
  ended: Promise<Ended>
  /** Sends a signal, unless the process has ended, and waits for its end. */
  end(signal?: NodeJS.Signals): Promise<Ended>
}

interface LaunchOptions {
  command?: [string, ...string[]]
  cwd?: string
  user?: { uid?: number; gid?: number }
}

/**
 * Starts the server with `env` and nothing else of this process's settings, on a free port unless PORT says another, and
 * with emulators on this machine within reach. In a process group of its own, as a terminal does it.
 */
export function launch(env: Record<string, string>, options: LaunchOptions = {}): Launched {
  const [command, ...args] = options.command ?? [process.execPath, join(projectFolder, mainFile)]
  const { PATH = '', HOME = '/' } = process.env
  const child = spawn(command, args, {
    cwd: options.cwd ?? tmpdir(),
    env: {
      PATH,
      HOME,
      PORT: '0',
      ...compileCache,
      ...allowEmulators,
      ...(env.DATABASE_URL && jobsSetting(env.DATABASE_URL)),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    ...options.user,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      child.emit('output')
    })
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject).once('close', (code) => resolve({ code, output }))
  })
  const prints = (text: string) =>
    new Promise<string>((resolve, reject) => {
      const words = () => `"${text}", and so far it wrote:\n${output}`
      const timer = setTimeout(() => reject(new Error(`Waited ${printSeconds} s for ${words()}`)), printSeconds * 1_000)
      const look = () => {
        if (!output.includes(text)) return
        clearTimeout(timer)
        resolve(output)
      }
      child.on('output', look)
      ended.then(({ code }) => {
        clearTimeout(timer)
        reject(new Error(`Ended with ${code} before ${words()}`))
      }, reject)
      look()
    })
  return {
    child,
    prints,
    async ready() {
      await prints('Data folder')
      const [, url] = /GraphiQL +(\S+)\/graphql|(\S+)\/health/.exec(output)!.filter(Boolean)
      return { url: url!, token: /Admin token +(\S+)/.exec(output)?.[1] }
    },
    ended,
    end(signal = 'SIGINT') {
      child.kill(signal)
      return ended
    },
  }
}

/** A temporary folder that every user may enter, and what removes it with all that the server may have outside of it. */
export function temporaryFolder(name = 'sluice-main-'): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), name))
  chmodSync(path, 0o755)
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** True while the PostgreSQL of the data folder runs. */
export function postgresRuns(dataDir: string): boolean {
  const file = join(dataDir, 'postgres', 'postmaster.pid')
  if (!existsSync(file)) return false
  const pid = Number(readFileSync(file, 'utf8').split('\n')[0])
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** A user without any rights. */
export const nobody = { uid: 65534, gid: 65534 }
export const isRoot = process.getuid?.() === 0

/** Somebody without rights, if this user may become that and they may read the project; else this user. */
export function otherUser(): { uid?: number; gid?: number } {
  if (!isRoot) return {}
  const tried = spawnSync(process.execPath, ['-e', '0'], { ...nobody, cwd: projectFolder })
  return tried.status === 0 ? nobody : {}
}
