import { LRUCache } from 'lru-cache'
import type { Connect } from '../connect.ts'
import type { Storage } from '../entities/storage.ts'
import { NotFoundError } from '../errors.ts'
import { canStandInUrl } from '../providers/kit/dot-segments.ts'
import type { ObjectHead } from '../providers/provider.ts'
import { providers } from '../providers/registry.ts'
import type { HeadCache, ObjectSource } from './open-object.ts'
import type { PickedObject } from './pick.ts'
import { createSignedUrls, lifetimeOf, type SignedUrl, type SignedUrls } from './signed-urls.ts'

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
 * Decides how the object that was picked is delivered; `mode` allows only one way. A player (`isPlayer`) uses the URL to which it
 * was redirected for as long as it plays, so it gets one for `mediaTtlMinutes`, or a stream if the credentials end sooner. @throws
 * NotFoundError if no object was picked; SluiceError of the provider
 */
export async function deliver(
  deps: DeliveryDeps,
  picked: PickedObject | null,
  { mode, isPlayer = false }: { mode?: 'PROXY' | undefined; isPlayer?: boolean } = {},
): Promise<Delivery> {
  if (!picked) throw new NotFoundError('No connected storage serves this URI.')
  const { storage, key } = picked
  const name = `${storage.id}@${storage.updatedAt.getTime()}\0${key}`
  if (mode !== 'PROXY' && mayPresign(storage, key)) {
    const ttlMinutes = isPlayer ? storage.mediaTtlMinutes : storage.presignTtlMinutes
    const sign = () => presign(deps.connect, { storage, key, ttlMinutes, isPlayer })
    const signed = await deps.signedUrls
      .get(isPlayer ? `${name}\0media` : name, sign, ttlMinutes * 60_000)
      .catch(orStream)
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

/** This storage cannot sign although its provider can, for example because a SAS token allows more than reading, or ends too soon. */
class CannotPresign extends Error {}

const orStream = (error: unknown): undefined => {
  if (!(error instanceof CannotPresign)) throw error
}

// Clocks of clouds and of this machine differ, and signing takes a moment.
const toleranceMs = 60_000

async function presign(
  connect: Connect,
  { storage, key, ttlMinutes, isPlayer }: { storage: Storage; key: string; ttlMinutes: number; isPlayer: boolean },
): Promise<URL> {
  const provider = await connect(storage)
  try {
    if (!provider.presign) throw new CannotPresign()
    const url = await provider.presign(key, { ttlSeconds: ttlMinutes * 60 })
    if (isPlayer && lifetimeOf(url, Date.now()) < ttlMinutes * 60_000 - toleranceMs) throw new CannotPresign()
    return url
  } finally {
    provider.close()
  }
}

function mayPresign(storage: Storage, key: string): boolean {
  const { canPresign } = providers[storage.provider]
  return storage.presign && canPresign && canStandInUrl(key)
}
