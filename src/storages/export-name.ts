import type { ExportFormat, Storage } from '../entities/storage.ts'
import { SluiceError } from '../errors.ts'
import type { ProviderKind } from '../providers/provider.ts'
import { providers } from '../providers/registry.ts'

/** What a name template may say, and how many annotations or tasks can share its value. */
const fields = {
  projectId: 'constant',
  taskId: 'number',
  innerId: 'number',
  annotationId: 'number',
  sourceStem: 'text',
} as const
type Field = keyof typeof fields

const uniqueFields: Record<ExportFormat, Field[]> = { ANNOTATION: ['annotationId'], TASK: ['taskId', 'innerId'] }

const defaultTemplate: Record<ExportFormat, string> = { ANNOTATION: '{annotationId}.json', TASK: '{taskId}.json' }

/** What the fields of a template stand for. `sourceKey` is the object that the task came from, if there was one. */
export interface Named {
  projectId: number
  taskId: number
  innerId: number
  /** Absent in TASK format. */
  annotationId?: number
  sourceKey: string | null
}

/** Names of objects that tasks did not come from. */
const noStem = 'unnamed'

type Part = { literal: string } | { field: Field }

/**
 * What is wrong with a name template, in words; undefined when by it no two annotations (in TASK format, tasks) can ever
 * share a name, and no name that it gives by itself leaves the prefix.
 */
export function templateFault(template: string, format: ExportFormat): string | undefined {
  const parts = partsOf(template)
  const unknown = parts.find((part) => 'field' in part && !(part.field in fields))
  if (unknown) {
    const known = Object.keys(fields).map((name) => `{${name}}`)
    return `{${(unknown as { field: string }).field}} is no field; there are ${known.join(', ')}`
  }
  const literals = parts.map((part) => ('literal' in part ? part.literal : '')).join('')
  if (/[{}]/.test(literals)) return 'has a brace without its partner'
  if (/\p{Cc}/u.test(literals) || !template.isWellFormed()) return 'has control characters'
  if (literals.includes('\\')) return 'has a backslash'
  if (literals.length > 500) return 'has more than 500 characters'
  const segments = template.split('/')
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..')) {
    return 'must not begin or end with a slash, or have an empty part, "." or ".." between slashes'
  }
  if (format === 'TASK' && parts.some((part) => 'field' in part && part.field === 'annotationId')) {
    return 'cannot name an object of a whole task by {annotationId}; use {taskId} or {innerId}'
  }
  const unique = uniqueFields[format]
  if (unique.some((field) => tellsApart(parts, field))) return undefined
  const wanted = unique.map((name) => `{${name}}`).join(' or ')
  const has = parts.some((part) => 'field' in part && unique.includes(part.field))
  return has
    ? `could give two objects the same name: put something that is no digit, such as "-", on each side of ${wanted}, and {sourceStem} on one side only`
    : `could give two objects the same name: it needs ${wanted}`
}

/**
 * Whether the value of `field` can be told from every name: its digits end where a literal with something else follows, or
 * the name does, and all fields on one of its sides are numbers, so that it is found by reading from there.
 */
function tellsApart(parts: Part[], field: Field): boolean {
  return parts.some((part, at) => {
    if (!('field' in part) || part.field !== field) return false
    const sides = [parts.slice(0, at).toReversed(), parts.slice(at + 1)]
    return sides.every(isApart) && sides.some((side) => !side.some((other) => 'field' in other && isText(other)))
  })
}

const isText = ({ field }: { field: Field }) => fields[field] === 'text'

/** Whether each two values on a side, the one beside it first, have something that is no digit between them. */
function isApart(side: Part[]): boolean {
  let apart = false
  for (const part of side) {
    if ('literal' in part) apart ||= /\D/.test(part.literal)
    else if (fields[part.field] !== 'constant') {
      if (!apart) return false
      apart = false
    }
  }
  return true
}

function partsOf(template: string): Part[] {
  return template
    .split(/\{([^{}]*)\}/)
    .map((text, at) => (at % 2 === 0 ? { literal: text } : { field: text as Field }))
    .filter((part) => !('literal' in part) || part.literal !== '')
}

/**
 * The key that an annotation or task is written to: `<prefix>/<name>`, with one slash between.
 * @throws SluiceError NAME_LEAVES_PREFIX, KEY_TOO_LONG
 */
export function keyFor(
  storage: Pick<Storage, 'provider' | 'location' | 'nameTemplate'> & { exportFormat: ExportFormat },
  named: Named,
): string {
  const template = storage.nameTemplate ?? defaultTemplate[storage.exportFormat]
  const values = { ...named, sourceStem: stemOf(named.sourceKey) }
  const name = partsOf(template)
    .map((part) => ('literal' in part ? part.literal : String(values[part.field])))
    .join('')
  if (name.split('/').some((segment) => segment === '' || segment === '.' || segment === '..') || name.includes('\0')) {
    throw new SluiceError('NAME_LEAVES_PREFIX', `The name ${JSON.stringify(name)} would leave the prefix.`)
  }
  const kind: ProviderKind = providers[storage.provider]
  const { prefix } = kind.place(storage.location)
  const key = `${prefix.replace(/\/+$/, '')}${prefix === '' ? '' : '/'}${name}`
  assertKeyFits(kind, key)
  return key
}

/** The last part of a key, without its extension. */
function stemOf(key: string | null): string {
  const last = key?.split('/').at(-1) ?? ''
  return last.replace(/(?<=.)\.[^.]*$/, '') || noStem
}

/** @throws SluiceError KEY_TOO_LONG if the key is longer than the storage accepts */
function assertKeyFits({ keyLimit }: Pick<ProviderKind, 'keyLimit'>, key: string): void {
  if (!keyLimit) return
  const { max, unit, per } = keyLimit
  const parts = per === 'segment' ? key.split('/') : [key]
  const longest = Math.max(...parts.map((part) => (unit === 'bytes' ? Buffer.byteLength(part) : part.length)))
  if (longest <= max) return
  const what = per === 'segment' ? `a part of ${longest}` : longest
  throw new SluiceError(
    'KEY_TOO_LONG',
    `The name of the object has ${what} ${unit}; the storage takes ${max.toLocaleString('en')}.`,
  )
}
