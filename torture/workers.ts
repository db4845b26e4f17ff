import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { createClient, type GraphqlClient } from '@sluice/testkit/client.ts'
import { launch } from '@sluice/testkit/launch.ts'

/** A Sluice in a process of its own, as an operator runs it. */
export interface Worker {
  name: string
  pid: number
  client: GraphqlClient
  /** Sends a signal that the worker is to end by, and waits for its end. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
  send(signal: 'SIGSTOP' | 'SIGCONT'): void
}

export interface Workers {
  readonly all: Worker[]
  /** Processes that ended although nobody ended them. */
  readonly deaths: string[]
  /** The lines that all of them wrote, ended ones too. */
  readonly log: string[]
  /** Starts one more, again and again for as long as it cannot start, as a supervisor does. */
  start(): Promise<Worker>
  /** Kills all. */
  stop(): Promise<void>
}

const token = 'torture-admin-token-0123456789'
const startAttempts = 20

/** The workers of one database; `env` goes to each. */
export function createWorkers(env: Record<string, string>): Workers {
  const all: Worker[] = []
  const deaths: string[] = []
  const log: string[] = []
  let started = 0

  const tryStart = async (): Promise<Worker> => {
    const name = `worker-${++started}`
    const launched = launch({ ...env, ADMIN_TOKEN: token, AWS_SDK_UA_APP_ID: name })
    const { url } = await launched.ready()
    const { child } = launched
    let isToEnd = false
    const client = createClient(url, token)
    const worker: Worker = {
      name,
      pid: child.pid!,
      client,
      async end(signal) {
        isToEnd = true
        child.kill(signal)
        // A frozen process takes no other signal.
        if (signal === 'SIGTERM') child.kill('SIGCONT')
        await launched.ended
      },
      send: (signal) => child.kill(signal),
    }
    for (const stream of [child.stdout!, child.stderr!]) {
      createInterface(stream).on('line', (line) => log.push(`${name}: ${line}`))
    }
    once(child, 'exit').then(([code, signal]) => {
      all.splice(all.indexOf(worker), 1)
      void client.close()
      if (!isToEnd) deaths.push(`${name} ended by itself (${code ?? signal})`)
    })
    all.push(worker)
    // A harness that is cut off leaves none behind.
    const onExit = () => child.kill('SIGKILL')
    process.once('exit', onExit)
    child.once('exit', () => process.off('exit', onExit))
    return worker
  }

  return {
    all,
    deaths,
    log,
    async start() {
      for (let attempt = 1; ; attempt++) {
        try {
          return await tryStart()
        } catch (error) {
          if (attempt === startAttempts) throw error
        }
      }
    },
    async stop() {
      await Promise.all([...all].map((worker) => worker.end('SIGKILL')))
    },
  }
}
