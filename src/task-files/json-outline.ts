import {
  backslash,
  closeBrace,
  closeBracket,
  closes,
  colon,
  kindOf,
  nextInString,
  openBrace,
  openBracket,
  opens,
  quote,
  quotes,
  separates,
  skipSpace,
  space,
} from './json-bytes.ts'

/** A list, by the names that lead to it. */
export interface ListPlace {
  path: string[]
  items: number
  /** Its first item is an object. */
  ofObjects: boolean
}

/** What a member of an object is. */
export type MemberKind = 'LIST' | 'OBJECT' | 'OTHER'

// NAME: before the name of a member, or the end of an object. FIRST: before the first item of a list. NESTED: in a list or object
// whose names do not matter. ROWS: at the rows that were looked for. DONE: after the object. BROKEN: at what JSON does not have there.
type State =
  | 'START'
  | 'NAME'
  | 'IN_NAME'
  | 'COLON'
  | 'VALUE'
  | 'TEXT'
  | 'SCALAR'
  | 'FIRST'
  | 'NESTED'
  | 'ROWS'
  | 'DONE'
  | 'BROKEN'

// Names below this depth are not looked at.
const maxDepth = 4
const maxWordBytes = 1_024
const maxLists = 20
const maxMembers = 100

/**
 * Follows the names of a JSON object, and of the objects in it, through bytes that come in chunks. It finds the list or object at a
 * path, and remembers which lists there are. It holds one name at a time, and checks brackets, strings and names only.
 */
export class JsonOutline {
  #target: string[] | undefined
  #state: State = 'START'
  /** The names of the objects around the current member, and its own name. */
  readonly #path: string[] = []
  #name = ''
  #word: Buffer[] = []
  #wordBytes = 0
  #inString = false
  #escaped = false
  #depth = 0
  #list: ListPlace | undefined

  /** The first lists that were found, in the order of the text. */
  readonly lists: ListPlace[] = []
  /** The first members of the object. */
  readonly members = new Map<string, MemberKind>()
  /** The member "type", if it is a short text. */
  type: string | undefined
  /** The byte that ends the rows, when `push` has found them. */
  closer = closeBracket

  /** `target`: the names that lead to the rows to find. */
  constructor(target?: string[]) {
    this.#target = target
  }

  get isAtRows(): boolean {
    return this.#state === 'ROWS'
  }
  /** The whole object was read. */
  get isDone(): boolean {
    return this.#state === 'DONE'
  }
  get isBroken(): boolean {
    return this.#state === 'BROKEN'
  }

  /** Continues after the closing bracket of the rows. */
  leaveRows(): void {
    this.#target = undefined
    this.#state = 'NAME'
  }

  /** Reads on to the end of the chunk, the end of the object, or the first byte of the rows; returns how far. */
  push(chunk: Buffer, from = 0): number {
    let at = from
    while (at < chunk.length) {
      const byte = chunk[at]!
      switch (this.#state) {
        case 'ROWS':
        case 'DONE':
        case 'BROKEN':
          return at
        case 'START':
          this.#state = byte === openBrace ? 'NAME' : 'BROKEN'
          at++
          break
        case 'NAME':
          at++
          if (byte === quote) this.#begin('IN_NAME')
          else if (byte === closeBrace) this.#state = this.#path.pop() === undefined ? 'DONE' : 'NAME'
          else if (kindOf[byte] !== space && kindOf[byte] !== separates) this.#state = 'BROKEN'
          break
        case 'IN_NAME':
        case 'TEXT':
          at = this.#readWord(chunk, at)
          break
        case 'COLON':
          at++
          if (byte === colon) this.#state = 'VALUE'
          else if (kindOf[byte] !== space) this.#state = 'BROKEN'
          break
        case 'VALUE':
          at = skipSpace(chunk, at)
          if (at < chunk.length) at = this.#value(chunk[at]!, at)
          break
        case 'SCALAR':
          while (at < chunk.length && kindOf[chunk[at]!] !== separates && kindOf[chunk[at]!] !== closes) at++
          if (at < chunk.length) this.#state = 'NAME'
          break
        case 'FIRST':
          at = skipSpace(chunk, at)
          if (at === chunk.length) break
          this.#list!.items = chunk[at] === closeBracket ? 0 : 1
          this.#list!.ofObjects = chunk[at] === openBrace
          this.#state = 'NESTED'
          break
        case 'NESTED':
          at = this.#nested(chunk, at)
          break
      }
    }
    return at
  }

  #value(byte: number, at: number): number {
    const path = [...this.#path, this.#name]
    const isList = byte === openBracket
    const kind = isList ? 'LIST' : byte === openBrace ? 'OBJECT' : 'OTHER'
    if (path.length === 1 && this.members.size < maxMembers) this.members.set(this.#name, kind)
    if (kind === 'OTHER') {
      if (byte === quote) this.#begin('TEXT')
      else this.#state = 'SCALAR'
      return byte === quote ? at + 1 : at
    }
    const target = this.#target
    if (target?.length === path.length && path.every((name, n) => name === target[n])) {
      this.closer = isList ? closeBracket : closeBrace
      this.#state = 'ROWS'
    } else if (isList) {
      this.#list = { path, items: 0, ofObjects: false }
      if (this.lists.length < maxLists) this.lists.push(this.#list)
      this.#depth = 1
      this.#state = 'FIRST'
    } else if (path.length < Math.max(maxDepth, target?.length ?? 0)) {
      this.#path.push(this.#name)
      this.#state = 'NAME'
    } else {
      this.#list = undefined
      this.#depth = 1
      this.#state = 'NESTED'
    }
    return at + 1
  }

  #begin(state: 'IN_NAME' | 'TEXT'): void {
    this.#state = state
    this.#inString = true
    this.#word = []
    this.#wordBytes = 0
  }

  /** Reads a name, or a text as a value, to its quote. */
  #readWord(chunk: Buffer, from: number): number {
    const at = this.#skipText(chunk, from)
    this.#wordBytes += at - from
    if (this.#wordBytes <= maxWordBytes) this.#word.push(chunk.subarray(from, at))
    else this.#word = []
    if (this.#inString) return at
    const isName = this.#state === 'IN_NAME'
    if (isName || (this.#path.length === 0 && this.#name === 'type')) {
      const word = wordOf(this.#word)
      if (isName) this.#name = word ?? ''
      else this.type = word
    }
    this.#state = isName ? 'COLON' : 'NAME'
    return at
  }

  #nested(chunk: Buffer, from: number): number {
    let [at, depth, commas] = [from, this.#depth, 0]
    while (at < chunk.length && depth > 0) {
      if (this.#inString) {
        at = this.#skipText(chunk, at)
        continue
      }
      const kind = kindOf[chunk[at++]!]
      if (kind === quotes) this.#inString = true
      else if (kind === opens) depth++
      else if (kind === closes) depth--
      else if (kind === separates && depth === 1) commas++
    }
    this.#depth = depth
    if (this.#list) this.#list.items += commas
    if (depth === 0) this.#state = 'NAME'
    return at
  }

  /** Continues to the end of the string, after its quote. */
  #skipText(chunk: Buffer, from: number): number {
    let at = from
    while (at < chunk.length) {
      if (this.#escaped) {
        this.#escaped = false
        at++
        continue
      }
      at = nextInString(chunk, at)
      if (at === chunk.length) break
      const byte = chunk[at++]!
      if (byte === backslash) this.#escaped = true
      else if (byte === quote) {
        this.#inString = false
        break
      }
    }
    return at
  }
}

/** The text of a string without its first quote; undefined if it is too long or no JSON string. */
function wordOf(parts: Buffer[]): string | undefined {
  try {
    return JSON.parse(`"${Buffer.concat(parts)}`)
  } catch {
    return undefined
  }
}
