import { LRUCache } from 'lru-cache'
import type { Connect } from '../connect.ts'
import type { Storage } from '../entities/storage.ts'
import { NotFoundError } from '../errors.ts'
import { canStandInUrl } from '../providers/kit/dot-segments.ts'
import type { ObjectHead } from '../providers/provider.ts'
import { providers } from '../providers/registry.ts'
import type { HeadCache, ObjectSource } from './open-object.ts'
import { createSignedUrls, type SignedUrl, type SignedUrls } from './signed-urls.ts'
import { pickObject, type ResolveScope } from './url-mappings.ts'

/** What resolving needs, with its caches: in memory, bounded, and separate for each version of a storage. */
export interface DeliveryDeps {
  connect: Connect
  signedUrls: SignedUrls
  heads: HeadCache
}

export function createDeliveryDeps(connect: Connect): DeliveryDeps {
  return { connect, signedUrls: createSignedUrls(), heads: new LRUCache<string, ObjectHead>({ max: 10_000 }) }
}

/** How an object is delivered: by a presigned URL, or as a stream. `close` releases the provider; call it once. */
type Delivery = ({ mode: 'PRESIGN' } & SignedUrl) | { mode: 'PROXY'; open(): Promise<ObjectSource & { close(): void }> }

/**
 * Decides how the object of a storage URI, or of a mapped URL, is delivered; `mode` allows only one way.
 * @throws NotFoundError if no storage of the project serves the URI; SluiceError of the provider
 */
export async function deliver(
  deps: DeliveryDeps,
  scope: ResolveScope,
  { uri, mode }: { uri: string; mode?: 'PROXY' | undefined },
): Promise<Delivery> {
  const found = pickObject(uri, scope)
  if (!found) throw new NotFoundError('No connected storage serves this URI.')
  const { storage, key } = found
  const name = `${storage.id}@${storage.updatedAt.getTime()}\0${key}`
  if (mode !== 'PROXY' && mayPresign(storage, key)) {
    const sign = () => presign(deps.connect, storage, key)
    const signed = await deps.signedUrls.get(name, sign, storage.presignTtlMinutes * 60_000).catch(orStream)
    if (signed) return { mode: 'PRESIGN', ...signed }
  }
  return {
    mode: 'PROXY',
    async open() {
      const provider = await deps.connect(storage)
      return { provider, key, heads: deps.heads, name, close: provider.close }
    },
  }
}

/** This storage cannot sign although its provider can, for example because a SAS token allows more than reading. */
class CannotPresign extends Error {}

const orStream = (error: unknown): undefined => {
  if (!(error instanceof CannotPresign)) throw error
}

async function presign(connect: Connect, storage: Storage, key: string): Promise<URL> {
  const provider = await connect(storage)
  try {
    if (!provider.presign) throw new CannotPresign()
    return await provider.presign(key, { ttlSeconds: storage.presignTtlMinutes * 60 })
  } finally {
    provider.close()
  }
}

function mayPresign(storage: Storage, key: string): boolean {
  const { canPresign } = providers[storage.provider]
  return storage.presign && canPresign && canStandInUrl(key)
}
