import { pruneEvents } from '../events/log.ts'
import type { Queue } from '../queue/agenda.ts'
import { jobs } from '../queue/jobs.ts'
import { type AnnounceParts, announce } from '../webhooks/announce.ts'

/** Lets this process shorten the event log, once webhooks have been told of what it holds. */
export function handlePruning(queue: Queue, parts: AnnounceParts): void {
  queue.handle(jobs.pruneEvents, async () => {
    await announce(parts)
    await pruneEvents(parts.em.fork())
  })
}
