import { randomBytes } from 'node:crypto'
import { damagedPut } from '@sluice/testkit/conformance/damaged-put.ts'
import { eachOf, type Place } from '@sluice/testkit/conformance/world.ts'
import { environment } from '@sluice/testkit/egress.ts'
import type { Provider } from '../src/providers/provider.ts'
import type { S3Location } from '../src/providers/s3/location.ts'
import type { Order } from './arguments.ts'

/** Where checks run: all that is written lies under one random prefix, and is removed at the end. */
export interface Ground {
  /** Rejects with a SluiceError if nothing can be graded here. */
  check(): Promise<void>
  /** A new place, empty; when nothing may be written the one that was named, as it is. */
  place(): Promise<Place>
  /** Removes all that was written. */
  clear(): Promise<void>
  close(): void
}

/** The field that keys begin with is called so by clouds, and path elsewhere. */
const prefixFieldOf = ({ kind }: Order) => ('prefix' in kind.location.shape ? 'prefix' : 'path')

export async function layGround(order: Order): Promise<Ground> {
  const { kind, location, secrets, readOnly } = order
  const field = prefixFieldOf(order)
  const named = String(location[field] ?? '')
  const run = `${named}sluice-conform-${randomBytes(6).toString('hex')}/`
  const openAt = (prefix: string) => kind.open({ ...location, [field]: prefix }, secrets, environment)
  const provider = await openAt(readOnly ? named : run)
  let places = 0

  return {
    async check() {
      await provider.check()
    },
    async place() {
      if (readOnly) {
        const put = async () => {
          throw new Error('--read-only does not allow writing.')
        }
        return { base: named, readOnly: true, open: (prefix = '') => openAt(named + prefix), put }
      }
      const base = `${run}${++places}/`
      return {
        base,
        open: (prefix = '') => openAt(base + prefix),
        put: (key, body) => provider.write(key, Buffer.from(body)),
        ...(order.name === 'S3' && { putDamaged: damagedPut(location as S3Location, secrets) }),
      }
    },
    async clear() {
      if (!readOnly) await removeAll(provider)
    },
    close: () => provider.close(),
  }
}

async function removeAll(provider: Provider): Promise<void> {
  const keys: string[] = []
  let cursor: string | null = null
  do {
    const page = await provider.list({ cursor, limit: 1000, recursive: true })
    keys.push(...page.objects.map((object) => object.key))
    cursor = page.cursor
  } while (cursor !== null)
  await eachOf(keys, (key) => provider.remove(key))
}
