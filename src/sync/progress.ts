import type { EntityManager } from '@mikro-orm/postgresql'
import { recordEvent } from '../events/log.ts'
import type { RunHold } from './run.ts'
import { type PageWrite, writePage } from './write-page.ts'

// At most 4 progress events a second for a run; its last state is an event of its own, so nothing is lost at the end.
const eventEveryMs = 250

/** Writes parts of pages and, with the first of every quarter of a second, an event with the counters so far. */
export function createProgress(
  em: EntityManager,
  run: RunHold & { storage: number; project: number },
): (part: PageWrite) => Promise<void> {
  let lastEventAt = 0
  return async (part) => {
    if (performance.now() - lastEventAt < eventEveryMs) {
      await writePage(em.fork(), run, part)
      return
    }
    await em.fork().transactional(async (tx) => {
      await writePage(tx, run, part)
      await recordEvent(tx, 'PROGRESS', run.id)
    })
    lastEventAt = performance.now()
  }
}
