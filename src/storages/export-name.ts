import type { ExportFormat, Storage } from '../entities/storage.ts'
import { SluiceError } from '../errors.ts'
import type { ProviderKind } from '../providers/provider.ts'
import { providers } from '../providers/registry.ts'

/** The fields of name templates, and the type of their values. A constant has the same value in all names of a storage. */
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

/** The values for the fields of a template. `sourceKey` is the key of the object that the task was imported from, if any. */
interface Named {
  projectId: number
  taskId: number
  innerId: number
  /** Absent in TASK format. */
  annotationId?: number
  sourceKey: string | null
}

/** The value of `sourceStem` for tasks that were not imported from an object. */
const noStem = 'unnamed'

type Part = { literal: string } | { field: Field }

/**
 * Returns the error message for a name template. Undefined if the template is valid: two annotations (in TASK format, two
 * tasks) never share a name, and the template itself does not make a name leave the prefix.
 */
export function templateFault(template: string, format: ExportFormat): string | undefined {
  const parts = partsOf(template)
  const [unknown] = parts.flatMap((part) => ('field' in part && !(part.field in fields) ? [part.field] : []))
  if (unknown !== undefined) {
    const known = Object.keys(fields).map((name) => `{${name}}`)
    return `{${unknown}} is no field; there are ${known.join(', ')}`
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
 * True if the value of `field` can be parsed from every name. This needs two things: a literal with a non-digit, or the end of
 * the name, delimits its digits; and all fields on one side are numbers, so that a parser can start on that side.
 */
function tellsApart(parts: Part[], field: Field): boolean {
  return parts.some((part, at) => {
    if (!('field' in part) || part.field !== field) return false
    const sides = [parts.slice(0, at).toReversed(), parts.slice(at + 1)]
    return sides.every(isApart) && sides.some((side) => !side.some((other) => 'field' in other && isText(other)))
  })
}

const isText = ({ field }: { field: Field }) => fields[field] === 'text'

/** True if a non-digit separates all values of a side from each other and from the field. The nearest part comes first. */
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
 * The key for an annotation or task: `<prefix>/<name>`, with one slash between them.
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
    `The name of the object has ${what} ${unit}; the storage accepts ${max.toLocaleString('en')}.`,
  )
}
