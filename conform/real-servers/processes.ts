import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

const running = new Set<ChildProcess>()
const leftovers: string[] = []

/** Ends every process that was started here, with all that it started, and removes their files. */
export function cleanUp(): void {
  for (const child of running) endGroup(child)
  for (const path of leftovers.splice(0)) rmSync(path, { recursive: true, force: true, maxRetries: 5 })
}

/** Sees to it that nothing outlives this process, however it ends (save by SIGKILL). */
export function cleanUpAtExit(): void {
  process.on('exit', cleanUp)
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => process.exit(code))
  }
}

/** A new empty folder, removed at the end. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-real-'))
  leftovers.push(folder)
  return folder
}

/** Removes a file that a server leaves behind, at the end. */
export function removeLater(path: string): void {
  leftovers.push(path)
}

interface RunOptions {
  seconds: number
  variables?: Record<string, string>
}

/**
 * Runs a command to its end. Resolves with its exit code and what it wrote; rejects when it cannot be started or has not
 * ended after so many seconds.
 */
export async function run(argv: string[], { seconds, variables }: RunOptions): Promise<{ code: number; text: string }> {
  const [command, ...args] = argv as [string, ...string[]]
  const child = spawn(command, args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...variables },
  })
  running.add(child)
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part) => (text += part))
  let isLate = false
  const timer = globalThis.setTimeout(() => {
    isLate = true
    endGroup(child)
  }, seconds * 1000)
  try {
    const [code] = await once(child, 'close')
    if (isLate) throw new Error(`${argv.slice(0, 4).join(' ')} … had not ended after ${seconds} s.\n${lastOf(text)}`)
    return { code: code ?? 1, text }
  } finally {
    clearTimeout(timer)
    running.delete(child)
  }
}

/** Like `run`, but rejects unless the command succeeds. */
export async function succeed(argv: string[], options: RunOptions): Promise<string> {
  const { code, text } = await run(argv, options)
  if (code !== 0) throw new Error(`${argv.slice(0, 4).join(' ')} … failed with code ${code}.\n${lastOf(text)}`)
  return text
}

/** A server that runs beside us; what it writes goes to a file. */
interface Daemon {
  child: ChildProcess
  /** The end of what it wrote. */
  log(): string
}

/** Starts a server. */
export function start(argv: string[], log: string): Daemon {
  const [command, ...args] = argv as [string, ...string[]]
  const file = openSync(log, 'w')
  const child = spawn(command, args, { detached: true, stdio: ['ignore', file, file] })
  running.add(child)
  child.on('error', () => running.delete(child))
  return { child, log: () => lastOf(readFileSync(log, 'utf8')) }
}

/** Ends a server at once, and waits for that. */
export async function stop({ child }: Daemon): Promise<void> {
  const isRunning = child.pid !== undefined && child.exitCode === null && child.signalCode === null
  const ended = isRunning ? once(child, 'exit') : undefined
  endGroup(child)
  await ended
  running.delete(child)
}

/** Waits until `isReady`, for so many seconds; rejects at once when the server ends. */
export async function waitFor(what: string, daemon: Daemon, seconds: number, isReady: () => Promise<boolean>) {
  const until = Date.now() + seconds * 1000
  while (!(await isReady().catch(() => false))) {
    const { exitCode, signalCode, pid } = daemon.child
    if (pid === undefined || exitCode !== null || signalCode !== null) {
      throw new Error(`${what} has ended with ${signalCode ?? `code ${exitCode}`} while it started.\n${daemon.log()}`)
    }
    if (Date.now() > until) throw new Error(`${what} was not ready after ${seconds} s.\n${daemon.log()}`)
    await setTimeout(100)
  }
}

/** Ports that nobody listens on now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  for (const server of servers) server.close()
  await Promise.all(servers.map((server) => once(server, 'close')))
  return ports
}

function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

const lastOf = (text: string) => text.trimEnd().split('\n').slice(-15).join('\n')
