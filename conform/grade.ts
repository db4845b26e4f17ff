import { groups } from '@sluice/testkit/conformance/groups.ts'
import { abilitiesOf, type Check, createWorld } from '@sluice/testkit/conformance/world.ts'
import { describeError, SluiceError } from '../src/errors.ts'
import type { Order } from './arguments.ts'
import type { Ground } from './ground.ts'

/** What came of one check. */
export interface Verdict {
  subject: string
  check: string
  works: boolean
  milliseconds: number
  /** Why it does not work. */
  reason?: string
  /** What it means for a sync that it does not work. */
  meaning?: string
}

/** Makes the words of an error showable: `redact` is applied to words that a server may have had a part in, not to ours. */
export function reasonOf(error: unknown, redact: (text: string) => string): string {
  const words =
    error instanceof SluiceError ? `${error.code}: ${describeError(error)}` : redact((error as Error).message)
  return words.replace(/\s+/g, ' ').trim()
}

/** Runs every check that servers of this kind are held to, one after another. Ends early when `signal` aborts. */
export async function* grade(
  order: Order,
  ground: Ground,
  { signal, redact }: { signal: AbortSignal; redact: (text: string) => string },
): AsyncGenerator<Verdict> {
  const { kind, readOnly, only } = order
  const abilities = abilitiesOf(kind)
  for (const { title, checks, readOnly: isReading } of groups) {
    if (readOnly && !isReading) continue
    for (const check of checks) {
      if (signal.aborted) return
      const words = `${title} ${check.name}`.toLowerCase()
      const isAsked = only.length === 0 || only.some((text) => words.includes(text.toLowerCase()))
      if (!isAsked || check.needs?.(abilities) === false) continue
      const world = createWorld(abilities, ground.place)
      const start = performance.now()
      const fault = await faultOf(check, world)
      world.end()
      // Before a long reason is cut, in the middle of a secret perhaps.
      const reason = fault && reasonOf(fault.error, redact)
      const milliseconds = Math.round(performance.now() - start)
      const failure = reason !== undefined && { reason, ...(check.meaning && { meaning: check.meaning }) }
      yield { subject: title, check: check.name, works: reason === undefined, milliseconds, ...failure }
    }
  }
}

async function faultOf(check: Check, world: ReturnType<typeof createWorld>): Promise<{ error: unknown } | undefined> {
  const seconds = check.slow ? 300 : 60
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`no end after ${seconds} s`)), seconds * 1000)
  try {
    await Promise.race([check.run(world), late.promise])
    return undefined
  } catch (error) {
    return { error }
  } finally {
    clearTimeout(timer)
  }
}
