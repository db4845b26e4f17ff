import type { EntityManager } from '@mikro-orm/postgresql'
import { recordEvent } from '../events/log.ts'
import type { PageTarget, PageWrite } from './page-write.ts'
import { hasRare, type Written, writePage } from './write-page.ts'

// At most 4 progress events a second for a run; its last state is an event of its own, so nothing is lost at the end.
const eventEveryMs = 250
// So long a checkpoint may wait for the next one when there is nothing else to be written.
const checkpointEveryMs = 250

/**
 * Writes parts of the pages of a run, one after the other, and, with the first of every quarter of a second, an event with the
 * counters so far. A page that brings nothing new only moves the checkpoint, and leaves that to the next page of its range
 * for a moment.
 */
export function createPageWriter(em: EntityManager): (target: PageTarget, part: PageWrite) => Promise<Written> {
  let turn: Promise<unknown> = Promise.resolve()
  let lastEventAt = Number.NEGATIVE_INFINITY
  const waiting = new Map<number, { part: PageWrite; since: number }>()

  const write = async (target: PageTarget, part: PageWrite): Promise<Written> => {
    const tells = performance.now() - lastEventAt >= eventEveryMs
    if (!tells && !hasRare(part, target)) return writePage(em.fork(), target, part)
    const written = await em.fork().transactional(async (tx) => {
      const done = await writePage(tx, target, part)
      if (tells) await recordEvent(tx, 'PROGRESS', target.run)
      return done
    })
    if (tells) lastEventAt = performance.now()
    return written
  }
  const inTurn = (target: PageTarget, part: PageWrite): Promise<Written> => {
    const written = turn.then(() => write(target, part))
    // One that fails fails its own range only.
    turn = written.catch(() => {})
    return written
  }

  return async (target, part) => {
    const late = waiting.get(target.number)
    waiting.delete(target.number)
    // A part of a page counts for itself only.
    if (late && !part.checkpoint) await inTurn(target, late.part)
    const whole = late && part.checkpoint ? merged(late.part, part) : part
    const since = late?.since ?? performance.now()
    if (isIdle(whole, target) && performance.now() - since < checkpointEveryMs) {
      waiting.set(target.number, { part: whole, since })
      return { created: 0, existed: 0 }
    }
    return inTurn(target, whole)
  }
}

/** Whether a part does nothing but move a checkpoint that is not the last. */
function isIdle(part: PageWrite, target: PageTarget): boolean {
  return (
    part.checkpoint !== undefined &&
    part.checkpoint.cursor !== null &&
    part.tasks.length + part.issues.length + part.objects.length === 0 &&
    !hasRare(part, target)
  )
}

/** A part that only moved a checkpoint, with the next one of the same range. */
function merged(before: PageWrite, { counts, checkpoint, ...part }: PageWrite): PageWrite {
  const sum = (name: keyof PageWrite['counts']) => before.counts[name] + counts[name]
  return {
    ...part,
    counts: { listed: sum('listed'), skipped: sum('skipped'), existed: sum('existed'), bytesRead: sum('bytesRead') },
    checkpoint: checkpoint
      ? { ...checkpoint, pages: (before.checkpoint?.pages ?? 0) + checkpoint.pages }
      : before.checkpoint,
  }
}
