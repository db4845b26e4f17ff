import type { EntityManager } from '@mikro-orm/postgresql'
import type { AdaptiveLimit } from '../adaptive.ts'
import type { Storage } from '../entities/storage.ts'
import { diskFullMessage, type ErrorCode, isDiskFull, SluiceError } from '../errors.ts'
import type { Provider } from '../providers/provider.ts'
import type { ByteBudget } from './byte-budget.ts'
import { type Chunk, chunksOf } from './chunks.ts'
import type { Claim, Lease } from './lease.ts'
import { type ExportedObject, readState } from './state.ts'

/** Result of one claim. */
export type Outcome = { claim: Claim } & (
  | { is: 'WRITTEN' | 'UNCHANGED'; key: string; object: Written }
  /** The subject was deleted, and its object was removed. */
  | { is: 'REMOVED' }
  /** The subject was deleted, and its object does not exist or must not be removed. */
  | { is: 'GONE' }
  | { is: 'FAILED'; key: string | null; error: { code: ErrorCode; message: string; retryable: boolean } }
  /** Not begun, because the work stopped or the storage cannot be reached. */
  | { is: 'UNTRIED' }
  /** Interrupted: the object may or may not have been written. */
  | { is: 'UNKNOWN' }
)

/** What `writeClaims` needs. */
interface WriteOptions {
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
export const storageErrors: ErrorCode[] = [
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
const chunkBytes = maxBytes / 4

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
export async function writeClaims(options: WriteOptions, claims: Claim[]): Promise<Outcome[]> {
  const { em, lease, budget } = options
  const state = { isUnreachable: false }
  const writes: Promise<Outcome>[] = []
  try {
    for (const chunk of await chunksOf(em, claims, chunkBytes)) {
      await budget.reserve(chunk.bytes)
      if (state.isUnreachable || lease.signal.aborted) {
        budget.release(chunk.bytes)
        writes.push(...chunk.claims.map(async (claim): Promise<Outcome> => ({ claim, is: 'UNTRIED' })))
      } else writes.push(...(await startChunk(options, chunk, state)))
    }
    return await Promise.all(writes)
  } finally {
    await Promise.allSettled(writes)
  }
}

/** Reads a chunk and starts to write it. Each write releases its bytes to the budget; a failed read releases all. */
async function startChunk(
  options: WriteOptions,
  { claims, bytes, bytesOf }: Chunk,
  state: { isUnreachable: boolean },
): Promise<Promise<Outcome>[]> {
  const { lease, limit, budget } = options
  try {
    const plans = await plan(options, claims)
    await lease.recordKeys(plans.flatMap((one) => ('object' in one ? [{ id: one.claim.id, key: one.key }] : [])))
    return plans.map(async (one) => {
      const outcome = 'outcome' in one ? one.outcome : await limit.run(() => performWrite(options, one, state))
      budget.release(bytesOf(one.claim))
      return outcome
    })
  } catch (error) {
    budget.release(bytes)
    throw error
  }
}

async function performWrite(
  options: WriteOptions,
  one: Exclude<Planned, { outcome: Outcome }>,
  state: { isUnreachable: boolean },
): Promise<Outcome> {
  const { provider, lease, givesUp } = options
  const { claim } = one
  if (state.isUnreachable || lease.signal.aborted) return { claim, is: 'UNTRIED' }
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
    state.isUnreachable ||= givesUp && storageErrors.includes(failed.error.code)
    return failed
  }
}

async function plan({ em, storage, skipUnchanged }: WriteOptions, claims: Claim[]): Promise<Planned[]> {
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

function failure(claim: Claim, key: string | null, cause: unknown): Extract<Outcome, { is: 'FAILED' }> {
  const error =
    cause instanceof SluiceError
      ? cause
      : new SluiceError('INTERNAL', isDiskFull(cause) ? diskFullMessage : undefined, { cause })
  const { code, message, retryable } = error
  return { claim, is: 'FAILED', key, error: { code, message, retryable } }
}
