import type { Random } from '../random.ts'
import type { Listed, MoveModel } from './move-model.ts'
import type { Place } from './place.ts'

const folders = ['', 'a/', 'b/', 'a/b/', 'c/']

/** The objects of the scenario, and what happens to them. */
export function createObjects(
  place: Place,
  model: MoveModel,
  { random, importMethod }: { random: Random; importMethod: 'FILES' | 'TASKS' },
) {
  let bodies = 0
  const newBody = () => {
    const n = ++bodies
    if (importMethod === 'FILES') return `body ${n}`
    return Array.from({ length: random.whole(1, 3) }, (_, row) => `{"n":"${n}-${row}"}\n`).join('')
  }
  /** What each key contained when it was imported; rows have no identity in other contents. */
  const former = new Map<string, string>()
  const isFree = (key: string) => !place.objects.has(key) && (importMethod === 'FILES' || !model.entries.has(key))
  const keyOf = (folder: string, key: string) => place.base + folder + key.replace(/^.*\//, '')
  const put = async (key: string, body: string) => {
    former.set(key, body)
    await place.put(key, body)
  }
  const move = async (from: string, to: string) => {
    former.set(to, place.objects.get(from)!.body)
    await place.move(from, to)
  }
  const tools: Tools = { place, random, former, newBody, isFree, keyOf, put, move }
  return {
    listing: () =>
      new Map(
        [...place.objects].map(([key, { version, write, body }]): [string, Listed] => [
          key,
          { version, write, rows: importMethod === 'FILES' ? 1 : body.split('\n').length - 1 },
        ]),
      ),
    async edit() {
      if (place.objects.size === 0) {
        const count = random.chance(0.15) ? random.whole(150, 250) : random.whole(5, 40)
        for (let n = 1; n <= count; n++) await put(keyOf(random.pick(folders), `${n}.x`), newBody())
        return
      }
      if (random.chance(0.3)) await this.moveFolder()
      for (let edits = random.whole(1, 12); edits > 0; edits--) {
        const keys = [...place.objects.keys()]
        if (keys.length > 0) await editOne(tools, { key: random.pick(keys), importMethod })
      }
    },
    /** Moves a whole folder into another one. */
    async moveFolder() {
      const [from, to] = [random.pick(folders.slice(1)), random.pick(folders)]
      for (const key of [...place.objects.keys()]) {
        if (!key.startsWith(place.base + from)) continue
        const target = place.base + to + key.slice((place.base + from).length)
        if (target !== key && isFree(target)) await move(key, target)
      }
    },
    /** Two prefixes; objects are moved before, or afterwards, or never. Undefined if rows would get other contents. */
    async planRelocation(): Promise<{ from: string; to: string } | undefined> {
      const [from, to] = [place.base + random.pick(folders), place.base + random.pick([...folders, 'd/'])]
      if (from === to) return undefined
      const plan = [...model.moved(from, to)]
      if (importMethod === 'TASKS') {
        const isOther = ([key, target]: [string, string]) =>
          [place.objects.get(target)?.body, former.get(target)].some(
            (body) => body !== undefined && body !== former.get(key),
          )
        if (plan.some(isOther)) return undefined
      }
      if (random.chance(0.6)) {
        for (const [key, target] of plan) {
          if (place.objects.has(key) && !place.objects.has(target)) await move(key, target)
        }
      }
      for (const [key, target] of plan) former.set(target, former.get(key)!)
      return { from, to }
    },
  }
}

interface Tools {
  place: Place
  random: Random
  former: Map<string, string>
  newBody(): string
  isFree(key: string): boolean
  keyOf(folder: string, key: string): string
  put(key: string, body: string): Promise<void>
  move(from: string, to: string): Promise<void>
}

/** Does something to an object, or to another one. */
async function editOne(
  { place, random, former, newBody, isFree, keyOf, put, move }: Tools,
  { key, importMethod }: { key: string; importMethod: 'FILES' | 'TASKS' },
): Promise<void> {
  const folder = random.pick(folders)
  const target = keyOf(folder, key)
  switch (random.pick(['move', 'move', 'move', 'remove', 'new', 'copy', 'rename', 'change', 'return'])) {
    case 'move':
      if (isFree(target)) await move(key, target)
      break
    case 'remove':
      await place.remove(key)
      break
    case 'new': {
      const fresh = keyOf(folder, `${random.whole(1, 40)}.x`)
      if (isFree(fresh)) await put(fresh, newBody())
      break
    }
    case 'copy':
      if (isFree(target)) await put(target, place.objects.get(key)!.body)
      break
    case 'rename': {
      const renamed = keyOf(folder, `${random.whole(1, 40)}.x`)
      if (isFree(renamed)) await move(key, renamed)
      break
    }
    case 'change':
      if (importMethod === 'FILES') await put(key, newBody())
      break
    case 'return': {
      const absent = [...former].filter(([one]) => !place.objects.has(one))
      if (absent.length > 0) await put(...random.pick(absent))
      break
    }
  }
}
