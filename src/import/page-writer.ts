import type { EntityManager } from '@mikro-orm/postgresql'
import { recordEvent } from '../events/log.ts'
import { fieldsOf } from '../unknown.ts'
import type { PageTarget, PageWrite } from './page-write.ts'
import { ShardChanged } from './shards.ts'
import type { ImportSink, Written } from './sink.ts'

// At most 4 progress events per second and run. The final state has its own event, so no counter is lost at the end.
const eventEveryMs = 250
// A checkpoint without other changes waits this long for the next one.
const checkpointEveryMs = 250

/**
 * Writes the pages of a run to the sink one after the other, with a progress event at most every 250 ms. A page without changes only
 * moves the checkpoint; this write is merged with the next page of the range if that comes within 250 ms. All pages that one worker
 * reads of a range after the same claim have the same `target` object.
 */
export function createPageWriter(
  em: EntityManager,
  sink: ImportSink,
): (target: PageTarget, part: PageWrite) => Promise<Written> {
  let lastWrite: Promise<unknown> = Promise.resolve()
  let lastEventAt = Number.NEGATIVE_INFINITY
  // A worker that reads its range again continues at its checkpoint, so a write that waited before is dropped.
  const waiting = new WeakMap<PageTarget, { part: PageWrite; since: number }>()

  const write = async (target: PageTarget, part: PageWrite): Promise<Written> => {
    const addsEvent = performance.now() - lastEventAt >= eventEveryMs
    if (!addsEvent && !sink.needsTransaction(part, target)) return sink.write(em.fork(), target, part)
    const written = await em.fork().transactional(async (tx) => {
      const done = await sink.write(tx, target, part)
      if (addsEvent) await recordEvent(tx, 'PROGRESS', { type: 'RUN', id: target.run })
      return done
    })
    if (addsEvent) lastEventAt = performance.now()
    return written
  }
  const writeInOrder = (target: PageTarget, part: PageWrite): Promise<Written> => {
    const written = lastWrite
      .then(() => write(target, part))
      .catch((error: unknown) => {
        throw isOverlap(error) ? new ShardChanged({ cause: error }) : error
      })
    // An error ends only its own range.
    lastWrite = written.catch(() => {})
    return written
  }

  return async (target, part) => {
    const pending = waiting.get(target)
    waiting.delete(target)
    // Only a write with a checkpoint can be merged.
    if (pending && !part.checkpoint) await writeInOrder(target, pending.part)
    const whole = pending && part.checkpoint ? merged(pending.part, part) : part
    const since = pending?.since ?? performance.now()
    if (isIdle(sink, whole, target) && performance.now() - since < checkpointEveryMs) {
      waiting.set(target, { part: whole, since })
      return { created: 0, existed: 0 }
    }
    return writeInOrder(target, whole)
  }
}

/**
 * Whether another run linked the same objects at the same time: unique_violation, or deadlock_detected because it inserts them in
 * another order (PostgreSQL, "Error Codes").
 */
function isOverlap(error: unknown): boolean {
  const { code, constraint } = fieldsOf<'code' | 'constraint'>(error)
  return code === '40P01' || (code === '23505' && /^import_link_/.test(String(constraint)))
}

/** Whether a write only moves a checkpoint that is not the last one. */
function isIdle(sink: ImportSink, part: PageWrite, target: PageTarget): boolean {
  return (
    part.checkpoint !== undefined &&
    part.checkpoint.cursor !== null &&
    part.tasks.length + part.issues.length + part.objects.length === 0 &&
    !sink.needsTransaction(part, target)
  )
}

/** Merges a write that only moved a checkpoint with the next write of the same range. */
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
