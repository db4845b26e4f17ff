import { setTimeout as delay } from 'node:timers/promises'
import type { EntityManager } from '@mikro-orm/postgresql'
import type { Storage } from '../entities/storage.ts'
import { type ErrorCode, SluiceError } from '../errors.ts'
import type { Provider } from '../providers/provider.ts'
import type { AdaptiveLimit } from './adaptive.ts'
import type { Claim, Lease } from './export-lease.ts'
import { type ExportedObject, readState } from './export-state.ts'

/** What came of one claim. */
export type Outcome = { claim: Claim } & (
  | { is: 'WRITTEN' | 'UNCHANGED'; key: string; object: Pick<ExportedObject, 'hash' | 'annotations'> }
  /** The subject is gone, and its object was removed. */
  | { is: 'REMOVED' }
  /** The subject is gone, and there is nothing to remove, or nothing may be removed. */
  | { is: 'GONE' }
  | { is: 'FAILED'; key: string | null; fault: { code: ErrorCode; message: string; retryable: boolean } }
  /** Not begun, since the work was stopped or the place cannot be reached. */
  | { is: 'UNTRIED' }
  /** Stopped on its way: it may have been written or not. */
  | { is: 'UNKNOWN' }
)

/** What writing to a target needs. */
export interface Writing {
  em: EntityManager
  storage: Storage
  provider: Provider
  lease: Lease
  limit: AdaptiveLimit
  skipUnchanged: boolean
  /** Whether to try no further once the place as a whole turns out to be out of reach. */
  givesUp: boolean
}

const throttledTries = 5
/** Faults that say that nothing can be written to the place now, whatever the object. */
export const placeFaults: ErrorCode[] = [
  'UNREACHABLE',
  'UNRESOLVABLE_HOST',
  'CONNECTION_REFUSED',
  'TLS_FAILED',
  'TIMEOUT',
  'THROTTLED',
  'BAD_CREDENTIALS',
  'NO_SUCH_BUCKET',
]

type Planned = { claim: Claim } & ({ object: ExportedObject; key: string } | { remove: string } | { outcome: Outcome })

/**
 * Gives the objects of the claims the state that their subjects have now: read after the claim, so that a later save shows in
 * the claim's version. A write counts when the storage has acknowledged it. Faults of single objects are outcomes, and so is
 * being stopped by the lease's signal.
 */
export async function writeClaims(writing: Writing, claims: Claim[]): Promise<Outcome[]> {
  const { provider, lease, limit, givesUp } = writing
  const plans = await plan(writing, claims)
  await lease.noteKeys(plans.flatMap((one) => ('object' in one ? [{ id: one.claim.id, key: one.key }] : [])))
  let unreachable = false
  const carryOut = async (one: Planned): Promise<Outcome> => {
    if ('outcome' in one) return one.outcome
    const { claim } = one
    if (unreachable || lease.signal.aborted) return { claim, is: 'UNTRIED' }
    try {
      if ('remove' in one) {
        await provider.remove(one.remove, lease.signal)
        return { claim, is: 'REMOVED' }
      }
      const { object, key } = one
      await writeUnthrottled(writing, key, object.body)
      return { claim, is: 'WRITTEN', key, object: { hash: object.hash, annotations: object.annotations } }
    } catch (error) {
      if (lease.signal.aborted) return { claim, is: 'UNKNOWN' }
      const failed = failure(claim, 'key' in one ? one.key : one.remove, error)
      unreachable ||= givesUp && placeFaults.includes(failed.fault.code)
      return failed
    }
  }
  return Promise.all(plans.map((one) => ('outcome' in one ? carryOut(one) : limit.run(() => carryOut(one)))))
}

async function plan({ em, storage, skipUnchanged }: Writing, claims: Claim[]): Promise<Planned[]> {
  const kinds = Map.groupBy(claims, ({ kind }) => kind)
  const states = await Promise.all(
    [...kinds].map(([kind, group]) => readState(em, storage, { kind, subjects: group.map(({ subject }) => subject) })),
  )
  const stateOf = new Map([...kinds.keys()].map((kind, at) => [kind, states[at]!]))
  return claims.map((claim): Planned => {
    const object = stateOf.get(claim.kind)!.get(claim.subject)
    if (!object) {
      if (claim.key === null || !storage.canDeleteObjects) return { claim, outcome: { claim, is: 'GONE' } }
      return { claim, remove: claim.key }
    }
    try {
      const key = object.key()
      if (skipUnchanged && object.isUnchanged(key)) return { claim, outcome: { claim, is: 'UNCHANGED', key, object } }
      return { claim, object, key }
    } catch (error) {
      return { claim, outcome: failure(claim, null, error) }
    }
  })
}

/** Writes an object; when the storage asks to slow down, again after a while, and with fewer writes at a time. */
async function writeUnthrottled({ provider, lease, limit }: Writing, key: string, body: Buffer): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await provider.write(key, body, { contentType: 'application/json', signal: lease.signal })
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code !== 'THROTTLED' || tries === throttledTries) throw error
      limit.slowDown()
      await delay(100 * 2 ** tries * (0.5 + Math.random()), undefined, { signal: lease.signal })
    }
  }
}

function failure(claim: Claim, key: string | null, error: unknown): Extract<Outcome, { is: 'FAILED' }> {
  const fault = error instanceof SluiceError ? error : new SluiceError('INTERNAL', undefined, { cause: error })
  const { code, message, retryable } = fault
  return { claim, is: 'FAILED', key, fault: { code, message, retryable } }
}
