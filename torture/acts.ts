import { setTimeout as sleep } from 'node:timers/promises'
import type { Front, Fault as FrontFault } from '@sluice/testkit/s3-front.ts'
import pg from 'pg'
import type { Watch } from './checkpoints.ts'
import type { DatabaseProxy } from './database-proxy.ts'
import type { MomentKind } from './moments.ts'
import type { Witness } from './witness.ts'
import type { Worker, Workers } from './workers.ts'

/** What faults are done to. */
export interface Victims {
  workers: Workers
  witness: Witness
  watch: Watch
  proxy: DatabaseProxy
  front: Front
  /** The database of the workers, by a way that no fault meets but its own. */
  database: pg.ClientConfig
}

interface Act {
  words: string
  moments: readonly MomentKind[]
  /** Whether it may bring the run to an end that the user has to sync again after. */
  mayFail: boolean
  /** Does it. Resolves when it is over, and what was ended is started again. Its first step happens before it returns. */
  perform(victims: Victims, forMs: number): Promise<void>
}

const always = ['time', 'list', 'get', 'write', 'answer', 'commit'] as const
const takeOverMs = 40_000

/** The worker that is at work, as far as can be seen from its requests. */
function busy({ workers, witness }: Victims): Worker {
  const worker = workers.all.find(({ name }) => name === witness.lastWorker) ?? workers.all[0]
  if (!worker) throw new Error('No worker is alive.')
  return worker
}

/** Resolves when the database has done what a dead worker had sent it. */
async function settled({ database, watch }: Victims): Promise<void> {
  await anew(database, async (client) => {
    const busySessions = `select 1 from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'`
    while ((await client.query(busySessions)).rowCount) await sleep(5)
  })
  await watch.look()
}

/** Does `work` over a connection of its own. */
async function anew<T>(database: pg.ClientConfig, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(database)
  client.on('error', () => {})
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => {})
  }
}

async function endWorker(victims: Victims, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  await busy(victims).end(signal)
  if (victims.workers.all.length === 0) await settled(victims)
  await victims.workers.start()
}

async function failRequests({ front }: Victims, fault: FrontFault, forMs: number): Promise<void> {
  const set = front.fail(fault)
  await sleep(forMs)
  set.release()
}

/** Every kind of fault. */
export const acts = {
  kill: {
    words: 'worker killed (SIGKILL)',
    moments: always,
    mayFail: false,
    perform: (victims) => endWorker(victims, 'SIGKILL'),
  },
  stop: {
    words: 'worker stopped (SIGTERM)',
    moments: always,
    mayFail: false,
    perform: (victims) => endWorker(victims, 'SIGTERM'),
  },
  freeze: {
    words: 'worker frozen past its lease',
    moments: always,
    mayFail: false,
    async perform(victims, forMs) {
      const { workers, watch, witness } = victims
      const frozen = busy(victims)
      frozen.send('SIGSTOP')
      witness.excuse(frozen.name)
      const before = (await watch.look())?.attempt ?? 0
      if (workers.all.length === 1) await workers.start()
      const takenOver = ({ status, attempt }: { status: string; attempt: number }) =>
        !['QUEUED', 'IN_PROGRESS'].includes(status) || (status === 'IN_PROGRESS' && attempt > before)
      try {
        await watch.until(takenOver, takeOverMs)
      } finally {
        await sleep(forMs / 4)
        frozen.send('SIGCONT')
      }
    },
  },
  sessions: {
    words: 'database sessions ended',
    moments: always,
    mayFail: true,
    async perform({ database }) {
      await anew(database, (client) =>
        client.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and pid <> pg_backend_pid()`,
        ),
      )
    },
  },
  disconnect: {
    words: 'database unreachable',
    moments: always,
    mayFail: true,
    async perform({ proxy }, forMs) {
      proxy.cut(forMs)
      await sleep(forMs)
    },
  },
  crash: {
    words: 'database crashed, with recovery',
    moments: always,
    mayFail: true,
    async perform({ database }) {
      // The death of one session by SIGKILL makes PostgreSQL end all others and recover from its log.
      await anew(database, async (client) => {
        const { rows } = await client.query('select pg_backend_pid() as pid')
        const gone = new Promise((resolve) => client.once('end', resolve))
        process.kill(rows[0].pid, 'SIGKILL')
        await gone
      })
      for (;;) {
        const isUp = await anew(database, (client) => client.query('select 1')).catch(() => undefined)
        if (isUp) return
        await sleep(20)
      }
    },
  },
  reset: {
    words: 'bucket resets connections',
    moments: ['time', 'list', 'get'],
    mayFail: true,
    perform: (victims, forMs) => failRequests(victims, { reset: true, times: Infinity }, forMs),
  },
  cut: {
    words: 'bucket truncates bodies',
    moments: ['time', 'list', 'get'],
    mayFail: true,
    perform: (victims, forMs) => failRequests(victims, { cutAfterBytes: 20, times: Infinity }, forMs),
  },
  busy: {
    words: 'bucket answers 503 SlowDown',
    moments: ['time', 'list', 'get'],
    mayFail: true,
    perform: (victims, forMs) => failRequests(victims, { status: 503, code: 'SlowDown', times: Infinity }, forMs),
  },
  hold: {
    words: 'bucket delays its responses',
    moments: ['time', 'list', 'get'],
    mayFail: false,
    perform: (victims, forMs) => failRequests(victims, { hold: true, times: Infinity }, forMs),
  },
} satisfies Record<string, Act>

export type ActName = keyof typeof acts
