import type { EventHub } from '../events/hub.ts'
import { lagged } from '../events/subscription-queue.ts'
import { type AnnounceParts, announce } from './announce.ts'

// Tasks that a running sync creates are announced together, because each announcement has a cost.
const progressWaitMs = 1_000

/**
 * Announces events of all processes: a new status at once, progress within a second. The returned function stops it.
 */
export function startAnnouncer(parts: AnnounceParts & { events: EventHub }): () => Promise<void> {
  const queue = parts.events.open({})
  let again = false
  let stopped = false
  let running: Promise<void> | undefined
  let later: NodeJS.Timeout | undefined

  const wake = () => {
    clearTimeout(later)
    later = undefined
    again = true
    running ??= run().finally(() => {
      running = undefined
      if (again && !stopped) wake()
    })
  }
  const run = async () => {
    while (again && !stopped) {
      again = false
      await announce(parts).catch((err) => parts.logger.warn({ err }, 'webhooks cannot be told yet'))
    }
  }
  const listen = async () => {
    for (;;) {
      const event = await queue.next()
      if (event === undefined) return
      if (event === lagged || event.kind === 'STATUS') wake()
      else later ??= setTimeout(wake, progressWaitMs)
    }
  }
  listen()
  // Events that were committed while no process was running.
  wake()
  return async () => {
    stopped = true
    queue.close()
    clearTimeout(later)
    await running
  }
}
