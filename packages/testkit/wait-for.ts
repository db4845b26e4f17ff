import { type EventEmitter, once } from 'node:events'

/**
 * What the next event of this name carries.
 * @throws Error when it has not come within 20 seconds; the emitter's own error, as `once` of Node does.
 */
export async function waitFor(emitter: EventEmitter, event: string): ReturnType<typeof once> {
  const signal = AbortSignal.timeout(20_000)
  try {
    return await once(emitter, event, { signal })
  } catch (error) {
    throw signal.aborted ? new Error(`Waited 20 s for the event "${event}" of ${emitter.constructor.name}`) : error
  }
}
