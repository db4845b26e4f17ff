import type { EntityManager } from '@mikro-orm/postgresql'
import type { AdaptiveLimit } from '../adaptive.ts'
import type { Connect } from '../connect.ts'
import { type Storage, StorageEntity } from '../entities/storage.ts'
import { NotFoundError } from '../errors.ts'
import type { Breaker } from '../runs/breaker.ts'
import { retryingProvider } from '../runs/retrying-provider.ts'
import { type ByteBudget, createByteBudget } from './byte-budget.ts'
import type { Claim, Lease } from './lease.ts'
import { maxBytes, type Outcome, writeClaims } from './write.ts'

/** What `writeBatches` needs. */
interface PipelineOptions {
  em: EntityManager
  connect: Connect
  storage: Storage['id']
  lease: Lease
  limit: AdaptiveLimit
  breaker: Pick<Breaker, 'call'>
  skipUnchanged: boolean
  givesUp: boolean
}

/**
 * Writes batches of claims and commits their results in order. While a batch is written, the next one is claimed and read, and its
 * writes use free slots; both together hold at most `maxBytes` in memory. Each batch uses the present settings of the storage.
 * Batches that have begun are committed before a stop takes effect.
 * @throws SluiceError if the storage cannot be opened; the reason of the lease's signal; what `commit` throws
 */
export async function writeBatches<Batch extends { claims: Claim[] }>(
  options: PipelineOptions,
  batches: AsyncIterable<Batch>,
  commit: (batch: Batch, outcomes: Outcome[]) => Promise<void>,
): Promise<void> {
  const { lease } = options
  const budget = createByteBudget(maxBytes)
  let committed = Promise.resolve()
  try {
    for await (const batch of batches) {
      const before = committed
      const written = writeOne({ ...options, budget }, batch.claims)
      written.catch(() => {})
      const next = before.then(async () => {
        await commit(batch, await written)
        lease.release(batch.claims.map(({ id }) => id))
      })
      next.catch(() => {})
      committed = next
      await before
      lease.signal.throwIfAborted()
    }
  } finally {
    await committed
  }
  lease.signal.throwIfAborted()
}

async function writeOne(
  { em, connect, storage: id, breaker, ...rest }: PipelineOptions & { budget: ByteBudget },
  claims: Claim[],
): Promise<Outcome[]> {
  if (claims.length === 0) return []
  const storage = await em.fork().findOne(StorageEntity, id)
  if (!storage) throw new NotFoundError('The storage was deleted.')
  const opened = await connect(storage, 'RUNS')
  const provider = retryingProvider(opened, { breaker, signal: rest.lease.signal, limit: rest.limit })
  try {
    return await writeClaims({ em, storage, provider, ...rest }, claims)
  } finally {
    opened.close()
  }
}
