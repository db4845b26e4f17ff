import type { EntityManager } from '@mikro-orm/postgresql'
import type { AdaptiveLimit } from '../adaptive.ts'
import type { Connect } from '../connect.ts'
import { type Storage, StorageEntity } from '../entities/storage.ts'
import { NotFoundError } from '../errors.ts'
import type { Breaker } from '../runs/breaker.ts'
import { connectRun } from '../runs/connect-run.ts'
import { retryingProvider } from '../runs/retrying-provider.ts'
import { type ByteBudget, createByteBudget } from './byte-budget.ts'
import { StorageChanged } from './commit-results.ts'
import type { Claim, Lease } from './lease.ts'
import { maxBytes, type Outcome, writeClaims } from './write.ts'

/** What `writeBatches` needs. */
interface PipelineOptions {
  em: EntityManager
  connect: Connect
  storage: Storage['id']
  lease: Lease
  /** The version that the storage must have. Undefined: the present one, for each batch. */
  version?: number | undefined
  limit: AdaptiveLimit
  breaker: Pick<Breaker, 'call'>
  skipUnchanged: boolean
  givesUp: boolean
}

/**
 * Writes batches of claims and commits their results in order. While a batch is written, the next one is claimed and read, and its
 * writes use free slots; both together hold at most `maxBytes` in memory. Each batch uses the present settings of the storage.
 * Batches that have begun are committed before a stop takes effect.
 * `commit` also receives the version of the storage that the results were written with.
 * @throws SluiceError if the storage cannot be opened; StorageChanged; the reason of the lease's signal; what `commit` throws
 */
export async function writeBatches<Batch extends { claims: Claim[] }>(
  options: PipelineOptions,
  batches: AsyncIterable<Batch>,
  commit: (batch: Batch, outcomes: Outcome[], version: number | undefined) => Promise<void>,
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
        const { outcomes, version } = await written
        await commit(batch, outcomes, version)
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
  { em, connect, storage: id, version, breaker, ...rest }: PipelineOptions & { budget: ByteBudget },
  claims: Claim[],
): Promise<{ outcomes: Outcome[]; version: number | undefined }> {
  if (claims.length === 0) return { outcomes: [], version }
  const storage = await em.fork().findOne(StorageEntity, id)
  if (!storage) throw new NotFoundError('The storage was deleted.')
  if (version !== undefined && storage.version !== version) throw new StorageChanged()
  const opened = await connectRun({ em, connect }, storage)
  const provider = retryingProvider(opened, { breaker, signal: rest.lease.signal, limit: rest.limit })
  try {
    return { outcomes: await writeClaims({ em, storage, provider, ...rest }, claims), version: storage.version }
  } finally {
    opened.close()
  }
}
