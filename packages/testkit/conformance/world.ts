import assert from 'node:assert/strict'
import type { ErrorCode } from '../../../src/errors.ts'
import type { KindAbilities, ListPage, Provider, ProviderKind } from '../../../src/providers/provider.ts'

/** What a storage is held to: the abilities of its kind, unless a test says otherwise. */
export interface Abilities extends KindAbilities {
  presign: boolean
  /** Whether the server compares signatures at all; absent: it does. */
  signatures?: 'checked' | 'not checked'
}

/** What all storages of a kind are held to. */
export const abilitiesOf = ({ abilities, canPresign }: Pick<ProviderKind, 'abilities' | 'canPresign'>): Abilities => ({
  ...abilities,
  presign: canPresign,
})

/** An empty place, made for one check. */
export interface Place {
  /** What all its keys start with. */
  base: string
  /** Opens it, or what lies under `prefix` (behind `base`) of it, with a provider of its own. */
  open(prefix?: string): Promise<Provider>
  /** Whether nothing may be put here. */
  readOnly?: boolean
  /** Puts an object without the provider; `key` is a full one. */
  put(key: string, body: string | Buffer): Promise<void>
  /** Puts an object whose bytes do not match the checksum that is sent with it. Absent where the API has none. */
  putDamaged?(key: string, body: Buffer): Promise<void>
  /** Writes an object that consists of `bytes` zero bytes. Absent if `put` accepts such an object. */
  putLarge?(key: string, bytes: number): Promise<void>
}

/** One promise of `Provider`, as data: run by the test runner for our providers, and by `npm run conform` for a server. */
export interface Check {
  name: string
  /** Whether providers with these abilities promise it; absent: all do. */
  needs?(abilities: Abilities): boolean
  /** Whether it may take many seconds. */
  slow?: boolean
  /** What it means for a sync when a server breaks this promise; absent where the name says it. */
  meaning?: string
  /** Rejects when the promise is broken. */
  run(world: World): Promise<void>
}

/** Checks of one subject. */
export interface CheckGroup {
  title: string
  /** Whether its checks only read. */
  readOnly?: boolean
  checks: Check[]
}

/** What one check works with; its places and providers end with it. */
type World = ReturnType<typeof createWorld>

/** `setup` makes the places. `end` must be called after the check. */
export function createWorld(abilities: Abilities, setup: () => Promise<Place>) {
  const opened: Provider[] = []
  return {
    abilities,

    /** An empty place with objects of these `names` (behind its base) in it. `at` makes full keys. */
    async start(names: Record<string, string | Buffer> = {}) {
      const place = await setup()
      await eachOf(Object.entries(names), ([name, body]) => place.put(place.base + name, body))
      const open = async (prefix?: string) => {
        const provider = await place.open(prefix)
        opened.push(provider)
        return provider
      }
      return { ...place, open, at: (name: string) => place.base + name }
    },

    /** A place with objects in it (those that are there, if nothing may be put), its first page, and one object of that. */
    async existing() {
      const place = await setup()
      if (!place.readOnly) {
        await eachOf(Array.from({ length: 20 }).keys(), (n) =>
          place.put(`${place.base}${n % 2}/${n}.txt`, 'x'.repeat(9 + n)),
        )
      }
      const provider = await place.open()
      opened.push(provider)
      const { objects } = await provider.list({ cursor: null, limit: 1000, recursive: true })
      const [object] = objects.filter(({ size }) => size >= 10).sort((a, b) => a.size - b.size)
      assert.ok(object, 'there is an object of at least 10 bytes')
      return { provider, objects, object }
    },

    /** The names of all listed keys behind `base`, in the order listed where one is promised. */
    async listed(
      provider: Provider,
      base: string,
      options: { cursor?: string | null; limit?: number; recursive?: boolean } = {},
    ) {
      const keys = (await pages(provider, options)).flatMap((page) => page.objects.map((object) => object.key))
      assert.deepEqual(
        keys.filter((key) => !key.startsWith(base)),
        [],
        'no key from elsewhere is listed',
      )
      const names = keys.map((key) => key.slice(base.length))
      return abilities.keyOrder === 'bytes' ? names : sorted(names)
    },

    end() {
      for (const provider of opened) provider.close()
    },
  }
}

export const bodies = (...names: string[]) => Object.fromEntries(names.map((name) => [name, `body of ${name}`]))

export const sorted = (keys: string[]) => keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))

/** Runs `act` on all items, 32 at a time. */
export async function eachOf<T>(items: Iterable<T>, act: (item: T) => Promise<unknown>): Promise<void> {
  const rest = items[Symbol.iterator]()
  const worker = async () => {
    for (let next = rest.next(); !next.done; next = rest.next()) await act(next.value)
  }
  await Promise.all(Array.from({ length: 32 }, worker))
}

/** All pages of a listing. */
export async function pages(
  provider: Provider,
  options: { cursor?: string | null; limit?: number; recursive?: boolean } = {},
): Promise<ListPage[]> {
  const { limit = 1000, recursive = true } = options
  const found: ListPage[] = []
  let cursor = options.cursor ?? null
  do {
    const page = await provider.list({ cursor, limit, recursive })
    assert.ok(page.cursor === null || page.cursor !== cursor, 'the cursor moves on')
    found.push(page)
    cursor = page.cursor
  } while (cursor !== null)
  return found
}

/** Passes when `promise` rejects with a SluiceError of this code; `what` names the case. */
export async function rejectsAs(promise: Promise<unknown>, code: ErrorCode, what?: string): Promise<void> {
  await assert.rejects(promise, (error: { code?: string }) => {
    assert.equal(error.code, code, what && `${what}: ${error.code} instead of ${code}`)
    return true
  })
}

/** Passes when `promise` rejects with this very object. */
export async function rejectsWith(promise: Promise<unknown>, reason: unknown): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.equal(error, reason)
    return true
  })
}
