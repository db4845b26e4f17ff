import { expect, onTestFinished } from 'vitest'
import type { ListPage, Provider } from '../../../src/providers/provider.ts'
import type { HostileKey } from '../hostile-keys.ts'

/** What a kind of storage can and cannot do. */
export interface Abilities {
  presign: boolean
  /** In which order keys are listed. */
  keyOrder: 'bytes' | 'any'
  /** Whether the location names keys that start with a text, or the inside of a folder. */
  prefix: 'literal' | 'folder'
  /** Whether a key may end in `/`. */
  folderMarkers: boolean
  /** Where the content type of an object comes from. */
  contentType: 'as written' | 'from the name'
  /** Keys that the storage cannot hold, each with the reason. */
  cannotHold: Partial<Record<HostileKey, string>>
  /** Keys that cannot stand in a URL, each with the reason. */
  cannotPresign: Partial<Record<HostileKey, string>>
}

/** An empty place, made for one test. */
export interface Place {
  /** What all its keys start with. */
  base: string
  /** Opens it, or what lies under `prefix` (behind `base`) of it, with a provider of its own. */
  open(prefix?: string): Promise<Provider>
  /** Puts an object without the provider; `key` is a full one. */
  put(key: string, body: string | Buffer): Promise<void>
}

/** What the parts of the suite work with. */
export type World = ReturnType<typeof createWorld>

export function createWorld(abilities: Abilities, setup: () => Promise<Place>) {
  return {
    /** An empty place with objects of these `names` (behind its base) in it. `at` makes full keys. */
    async start(names: Record<string, string | Buffer> = {}) {
      const place = await setup()
      await Promise.all(Object.entries(names).map(([name, body]) => place.put(place.base + name, body)))
      const open = async (prefix?: string) => {
        const provider = await place.open(prefix)
        onTestFinished(() => provider.close())
        return provider
      }
      return { ...place, open, at: (name: string) => place.base + name }
    },

    /** The names of all listed keys behind `base`, in the order listed where one is promised. */
    async listed(provider: Provider, base: string, options: { limit?: number; recursive?: boolean } = {}) {
      const keys = (await pages(provider, options)).flatMap((page) => page.objects.map((object) => object.key))
      expect(keys.every((key) => key.startsWith(base))).toBe(true)
      const names = keys.map((key) => key.slice(base.length))
      return abilities.keyOrder === 'bytes' ? names : sorted(names)
    },
  }
}

export const bodies = (...names: string[]) => Object.fromEntries(names.map((name) => [name, `body of ${name}`]))

export const sorted = (keys: string[]) => keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))

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
    expect(page.cursor === null || page.cursor !== cursor, 'the cursor moves on').toBe(true)
    found.push(page)
    cursor = page.cursor
  } while (cursor !== null)
  return found
}
