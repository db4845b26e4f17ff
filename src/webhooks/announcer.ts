import type { EventHub } from '../events/hub.ts'
import { lagged } from '../events/subscription-queue.ts'
import { type AnnounceParts, announce } from './announce.ts'

// What was created while a sync runs is announced together: each announcement has its price, and nobody waits for one.
const progressWaitMs = 1_000

/**
 * Announces whatever the event log tells, whichever process wrote it: a new status at once, progress within a second.
 * Returns what ends that.
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
  // What was committed while no process lived.
  wake()
  return async () => {
    stopped = true
    queue.close()
    clearTimeout(later)
    await running
  }
}
