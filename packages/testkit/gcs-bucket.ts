/** An object as it is stored. */
export interface StoredObject {
  name: string
  body: Buffer
  contentType: string
  /** `gzip` when the body was compressed by whoever stored it. */
  contentEncoding: string | undefined
  /** Composed of several objects: it has no MD5. */
  isComposite?: boolean
  generation: number
  updated: Date
}

interface ListQuery {
  prefix: string
  delimiter: string
  startOffset: string
  endOffset: string
  pageToken: string
  maxResults: number
}

/** The objects of a bucket, in the order of the bytes of their names. */
export class Bucket {
  readonly name: string
  /** Whether anyone may list and read. */
  readonly isPublic: boolean
  readonly requesterPays: boolean
  readonly #objects = new Map<string, StoredObject>()
  #order: string[] | undefined

  constructor(name: string, options: { isPublic?: boolean; requesterPays?: boolean }) {
    this.name = name
    this.isPublic = options.isPublic ?? false
    this.requesterPays = options.requesterPays ?? false
  }

  get(name: string): StoredObject | undefined {
    return this.#objects.get(bytesOf(name))
  }

  put(object: Omit<StoredObject, 'generation' | 'updated'>): StoredObject {
    const stored = { ...object, generation: nextGeneration(), updated: new Date() }
    if (!this.#objects.has(bytesOf(object.name))) this.#order = undefined
    this.#objects.set(bytesOf(object.name), stored)
    return stored
  }

  remove(name: string): boolean {
    this.#order = undefined
    return this.#objects.delete(bytesOf(name))
  }

  /** One page, by the rules of objects.list (Cloud Storage JSON API). */
  list({ prefix, delimiter, startOffset, endOffset, pageToken, maxResults }: ListQuery) {
    this.#order ??= [...this.#objects.keys()].sort()
    const [start, from, until] = [bytesOf(prefix), bytesOf(startOffset), bytesOf(endOffset)]
    const after = Buffer.from(pageToken, 'base64').toString('latin1')
    const items: StoredObject[] = []
    const prefixes: string[] = []
    let last = ''
    for (const name of this.#order) {
      if (!name.startsWith(start) || name < from || (until !== '' && name >= until)) continue
      const end = delimiter === '' ? -1 : name.indexOf(delimiter, start.length)
      const folder = end < 0 ? undefined : name.slice(0, end + delimiter.length)
      const entry = folder ?? name
      if (entry <= after || entry === last) continue
      if (items.length + prefixes.length === maxResults) {
        return { items, prefixes, nextPageToken: Buffer.from(last, 'latin1').toString('base64') }
      }
      if (folder === undefined) items.push(this.#objects.get(name)!)
      else prefixes.push(Buffer.from(folder, 'latin1').toString())
      last = entry
    }
    return { items, prefixes }
  }
}

// One character for each byte, so that comparing texts compares bytes.
const bytesOf = (text: string) => Buffer.from(text).toString('latin1')

let lastGeneration = 0
const nextGeneration = () => {
  lastGeneration = Math.max(lastGeneration + 1, Date.now() * 1000)
  return lastGeneration
}

/** Why Cloud Storage would not store an object of this name ("Object name requirements"); undefined if it would. */
export function nameFault(name: string): string | undefined {
  if (name === '') return 'Required'
  if (Buffer.byteLength(name) > 1024) return 'The specified object name is too long.'
  if (/[\r\n]/.test(name)) return `Disallowed unicode characters present in object name '${name}'`
  if (name === '.' || name === '..' || name.startsWith('.well-known/acme-challenge/')) return 'Invalid object name'
  return undefined
}
