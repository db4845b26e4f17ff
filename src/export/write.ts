import type { EntityManager } from '@mikro-orm/postgresql'
import type { AdaptiveLimit } from '../adaptive.ts'
import type { Storage } from '../entities/storage.ts'
import { diskFullMessage, type ErrorCode, isDiskFull, SluiceError } from '../errors.ts'
import type { Provider } from '../providers/provider.ts'
import type { ByteBudget } from './byte-budget.ts'
import type { Claim, Lease } from './lease.ts'
import { type Portion, portionsOf } from './portions.ts'
import { type ExportedObject, readState } from './state.ts'

/** Result of one claim. */
export type Outcome = { claim: Claim } & (
  | { is: 'WRITTEN' | 'UNCHANGED'; key: string; object: Written }
  /** The subject was deleted, and its object was removed. */
  | { is: 'REMOVED' }
  /** The subject was deleted, and no object exists or may be removed. */
  | { is: 'GONE' }
  | { is: 'FAILED'; key: string | null; fault: { code: ErrorCode; message: string; retryable: boolean } }
  /** Not begun, because the work stopped or the storage cannot be reached. */
  | { is: 'UNTRIED' }
  /** Interrupted: the object may or may not have been written. */
  | { is: 'UNKNOWN' }
)

/** What `writeClaims` needs. */
interface Writing {
  em: EntityManager
  storage: Storage
  /** Pauses its calls while the storage is unavailable. */
  provider: Provider
  lease: Lease
  limit: AdaptiveLimit
  budget: ByteBudget
  skipUnchanged: boolean
  /** Whether to stop as soon as the storage as a whole cannot be reached. */
  givesUp: boolean
}

/** Errors of the storage as a whole: no object can be written to it now. */
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

// Bytes of objects that one job may hold in memory, and the part of it that is read at once.
export const maxBytes = 32 * 2 ** 20
const portionBytes = maxBytes / 4

type Written = Pick<ExportedObject, 'hash' | 'annotations'>
type Planned = { claim: Claim } & (
  | { key: string; body: Buffer; object: Written }
  | { remove: string }
  | { outcome: Outcome }
)

/**
 * Writes the present state of the subjects to their objects. The state is read after the claim, so a later save raises the version.
 * The budget limits what is in memory. A write counts when the storage has acknowledged it. Errors of single objects are outcomes,
 * and so is a stop by the lease's signal.
 */
export async function writeClaims(writing: Writing, claims: Claim[]): Promise<Outcome[]> {
  const { em, lease, budget } = writing
  const place = { isUnreachable: false }
  const writes: Promise<Outcome>[] = []
  try {
    for (const portion of await portionsOf(em, claims, portionBytes)) {
      await budget.reserve(portion.bytes)
      if (place.isUnreachable || lease.signal.aborted) {
        budget.release(portion.bytes)
        writes.push(...portion.claims.map(async (claim): Promise<Outcome> => ({ claim, is: 'UNTRIED' })))
      } else writes.push(...(await beginPortion(writing, portion, place)))
    }
    return await Promise.all(writes)
  } finally {
    await Promise.allSettled(writes)
  }
}

/** Reads a portion and starts to write it. Each write releases its bytes to the budget; a failed read releases all. */
async function beginPortion(
  writing: Writing,
  { claims, bytes, bytesOf }: Portion,
  place: { isUnreachable: boolean },
): Promise<Promise<Outcome>[]> {
  const { lease, limit, budget } = writing
  try {
    const plans = await plan(writing, claims)
    await lease.noteKeys(plans.flatMap((one) => ('object' in one ? [{ id: one.claim.id, key: one.key }] : [])))
    return plans.map(async (one) => {
      const outcome = 'outcome' in one ? one.outcome : await limit.run(() => carryOut(writing, one, place))
      budget.release(bytesOf(one.claim))
      return outcome
    })
  } catch (error) {
    budget.release(bytes)
    throw error
  }
}

async function carryOut(
  writing: Writing,
  one: Exclude<Planned, { outcome: Outcome }>,
  place: { isUnreachable: boolean },
): Promise<Outcome> {
  const { provider, lease, givesUp } = writing
  const { claim } = one
  if (place.isUnreachable || lease.signal.aborted) return { claim, is: 'UNTRIED' }
  try {
    if ('remove' in one) {
      await provider.remove(one.remove, lease.signal)
      return { claim, is: 'REMOVED' }
    }
    await provider.write(one.key, one.body, { contentType: 'application/json', signal: lease.signal })
    return { claim, is: 'WRITTEN', key: one.key, object: one.object }
  } catch (error) {
    if (lease.signal.aborted) return { claim, is: 'UNKNOWN' }
    const failed = failure(claim, 'key' in one ? one.key : one.remove, error)
    place.isUnreachable ||= givesUp && placeFaults.includes(failed.fault.code)
    return failed
  }
}

async function plan({ em, storage, skipUnchanged }: Writing, claims: Claim[]): Promise<Planned[]> {
  const kinds = Map.groupBy(claims, ({ kind }) => kind)
  const states = await Promise.all(
    [...kinds].map(([kind, group]) => readState(em, storage, { kind, subjects: group.map(({ subject }) => subject) })),
  )
  const stateOf = new Map([...kinds.keys()].map((kind, at) => [kind, states[at]!]))
  return claims.map((claim): Planned => {
    const found = stateOf.get(claim.kind)!.get(claim.subject)
    if (!found) {
      if (claim.key === null || !storage.canDeleteObjects) return { claim, outcome: { claim, is: 'GONE' } }
      return { claim, remove: claim.key }
    }
    try {
      const key = found.key()
      const object = { hash: found.hash, annotations: found.annotations }
      if (skipUnchanged && found.isUnchanged(key)) return { claim, outcome: { claim, is: 'UNCHANGED', key, object } }
      return { claim, key, body: found.body, object }
    } catch (error) {
      return { claim, outcome: failure(claim, null, error) }
    }
  })
}

function failure(claim: Claim, key: string | null, error: unknown): Extract<Outcome, { is: 'FAILED' }> {
  const fault =
    error instanceof SluiceError
      ? error
      : new SluiceError('INTERNAL', isDiskFull(error) ? diskFullMessage : undefined, { cause: error })
  const { code, message, retryable } = fault
  return { claim, is: 'FAILED', key, fault: { code, message, retryable } }
}
