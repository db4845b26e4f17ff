import type { SchemaTree } from 'hyparquet'
import type { Json } from '../../json.ts'
import { BadValue, type Findings } from './bad-value.ts'
import type { ParquetColumn } from './column.ts'
import { ParquetFault } from './fault.ts'
import { inlineMedia, isMedia, type Media } from './media.ts'
import { put } from './put.ts'
import { type RawVariant, variantJson } from './variant.ts'

/** Puts the values of the columns below one field together, one row after the other. */
export interface Assembler {
  /** The value of the next row. @throws ParquetFault when its columns do not fit together */
  next(): Json
}

/** A place in the schema. Each reads at least one entry of all columns below it. */
interface Node extends Assembler {
  /** Reads an entry of each column, which say that there is nothing. */
  skip(): void
  /** The entries of the first column below, which show whether the value is present. */
  entries: ParquetColumn['entries']
}

/** The columns below a field, in the order of the schema, with the levels of the current place. */
interface Place {
  columnOf: (field: SchemaTree) => ParquetColumn
  definition: number
  repetition: number
  findings: Findings
  /** The name of the field of the top level. */
  column: string
  maxInlineBytes: number
}

/**
 * Assembles a field of the top level from its columns, by their levels (Melnik et al., "Dremel", 2010). Lists and maps are
 * recognized as LogicalTypes.md says, with its rules for files of old writers.
 */
export function assembler(
  field: SchemaTree,
  options: Pick<Place, 'columnOf' | 'findings' | 'maxInlineBytes'>,
): Assembler {
  return nodeOf(field, { ...options, definition: 0, repetition: 0, column: field.element.name })
}

function nodeOf(field: SchemaTree, place: Place): Node {
  const repetition = field.element.repetition_type
  if (repetition === 'REPEATED') return listOf(place, (inner) => presentOf(field, inner))
  if (repetition === 'REQUIRED') return presentOf(field, place)
  const definition = place.definition + 1
  const value = presentOf(field, { ...place, definition })
  // A column says itself that it has no value.
  return field.children.length === 0 ? value : optional(value, definition)
}

function optional(value: Node, definition: number): Node {
  const { entries, skip } = value
  const next = () => {
    if (definitionOf(entries) >= definition) return value.next()
    skip()
    return null
  }
  return { entries, skip, next }
}

/** What stands at a field, if it is there. */
function presentOf(field: SchemaTree, place: Place): Node {
  const { logical_type: logical, converted_type: converted } = field.element
  const only = field.children.length === 1 ? field.children[0]! : undefined
  if (field.children.length === 0) return leafOf(place.columnOf(field).entries)
  if (logical?.type === 'VARIANT') return variantOf(field, place)
  if (only?.element.repetition_type === 'REPEATED') {
    if (converted === 'LIST' || logical?.type === 'LIST') return listOf(place, elementOf(field, only))
    const isMap = converted === 'MAP' || converted === 'MAP_KEY_VALUE' || logical?.type === 'MAP'
    if (isMap && (only.children.length === 1 || only.children.length === 2)) return mapOf(only, place)
  }
  return isMedia(field) ? mediaOf(field, place) : structOf(field, place)
}

function leafOf(entries: Node['entries']): Node {
  const next = () => {
    definitionOf(entries)
    return entries.values[entries.at++]!
  }
  return { entries, next, skip: () => void next() }
}

function structOf(field: SchemaTree, place: Place): Node {
  const fields = field.children.map((child) => ({ name: child.element.name, node: nodeOf(child, place) }))
  return {
    entries: fields[0]!.node.entries,
    skip: () => fields.forEach(({ node }) => void node.skip()),
    next: () => {
      const value: Record<string, Json> = {}
      for (const { name, node } of fields) put(value, name, node.next())
      return value
    },
  }
}

function mediaOf(field: SchemaTree, place: Place): Node {
  const struct = structOf(field, place)
  const { column, maxInlineBytes: maxBytes, findings } = place
  return { ...struct, next: () => inlineMedia(struct.next() as Media, { column, maxBytes, findings }) }
}

function listOf(place: Place, open: (inner: Place) => Node): Node {
  const inner = { ...place, definition: place.definition + 1, repetition: place.repetition + 1 }
  const element = open(inner)
  const { entries, skip } = element
  const next = () => {
    const items: Json[] = []
    if (definitionOf(entries) < inner.definition) skip()
    else {
      do items.push(element.next())
      while (entries.repetitions[entries.at] === inner.repetition)
    }
    return items
  }
  return { entries, skip, next }
}

/** LogicalTypes.md, "Lists": the element is below the repeated group, unless an old writer left that group out. */
function elementOf(list: SchemaTree, repeated: SchemaTree): (inner: Place) => Node {
  const { name } = repeated.element
  const only = repeated.children.length === 1 ? repeated.children[0]! : undefined
  const isElement = name === 'array' || name === `${list.element.name}_tuple`
  if (!only || isElement || only.element.repetition_type === 'REPEATED') return (inner) => presentOf(repeated, inner)
  return (inner) => nodeOf(only, inner)
}

/** A map becomes an object; of a key that comes twice, the last value counts. */
function mapOf(repeated: SchemaTree, place: Place): Node {
  const entry = listOf(place, (inner) => {
    const key = nodeOf(repeated.children[0]!, inner)
    const value = repeated.children[1] && nodeOf(repeated.children[1], inner)
    return {
      entries: key.entries,
      skip: () => {
        key.skip()
        value?.skip()
      },
      next: () => [key.next(), value?.next() ?? null],
    }
  })
  const next = () => {
    const map: Record<string, Json> = {}
    for (const [key, value] of entry.next() as [Json, Json][]) {
      // A key that is bad makes the row bad.
      if ((key as unknown) instanceof BadValue) put(map, '', key)
      else put(map, typeof key === 'string' ? key : JSON.stringify(key), value)
    }
    return map
  }
  return { ...entry, next }
}

function definitionOf({ definitions, at }: Node['entries']): number {
  if (at < definitions.length) return definitions[at]!
  throw new ParquetFault('the columns of a field do not fit together')
}

/** A variant (VariantEncoding.md, VariantShredding.md): what its columns hold is put together first, and then decoded. */
function variantOf(field: SchemaTree, place: Place): Node {
  const metadata = field.children.find(({ element }) => element.name === 'metadata')
  if (!metadata) throw new ParquetFault(`the variant "${field.element.name}" has no metadata`)
  const names = nodeOf(metadata, place)
  const parts = partsOf(field, place)
  const first = field.children[0] === metadata ? names : parts
  return {
    entries: first.entries,
    skip: () => {
      names.skip()
      parts.skip()
    },
    next: () => variantJson(names.next(), parts.next() as unknown as RawVariant, field.element.name, place.findings),
  }
}

/** `{ value, typed_value }` of a variant, of a field in it, or of an element. */
function partsOf(group: SchemaTree, place: Place): Node {
  const value = group.children.find(({ element }) => element.name === 'value')
  const typed = group.children.find(({ element }) => element.name === 'typed_value')
  const nodes = [value && nodeOf(value, place), typed && typedOf(typed, place)] as const
  const first = nodes.find((node) => node !== undefined)
  if (!first) throw new ParquetFault(`the variant "${group.element.name}" has no value`)
  return {
    entries: first.entries,
    skip: () => nodes.forEach((node) => void node?.skip()),
    next: () => ({ value: nodes[0]?.next() ?? null, typed: nodes[1]?.next() ?? null }),
  }
}

/** A value that has a column, or columns, of its own type; JSON, or `{ items }` or `{ fields }` of parts. */
function typedOf(field: SchemaTree, place: Place): Node {
  const inner = { ...place, definition: place.definition + (field.element.repetition_type === 'REQUIRED' ? 0 : 1) }
  if (field.children.length === 0) {
    const { entries, next, skip } = nodeOf(field, place)
    const scalar = () => {
      const isThere = definitionOf(entries) >= inner.definition
      const value = next()
      return isThere ? { scalar: value } : null
    }
    return { entries, skip, next: scalar }
  }
  const list = field.children.length === 1 ? field.children[0]! : undefined
  const isList = list?.element.repetition_type === 'REPEATED' && list.children.length === 1
  const node = isList ? listOf(inner, (deeper) => elementParts(list.children[0]!, deeper)) : fieldsOf(field, inner)
  const whole = { ...node, next: () => ({ [isList ? 'items' : 'fields']: node.next() }) }
  return inner.definition > place.definition ? optional(whole, inner.definition) : whole
}

function elementParts(field: SchemaTree, place: Place): Node {
  if (field.element.repetition_type === 'REQUIRED') return partsOf(field, place)
  const definition = place.definition + 1
  return optional(partsOf(field, { ...place, definition }), definition)
}

function fieldsOf(field: SchemaTree, place: Place): Node {
  const fields = field.children.map((child) => ({ name: child.element.name, node: elementParts(child, place) }))
  return {
    entries: fields[0]!.node.entries,
    skip: () => fields.forEach(({ node }) => void node.skip()),
    next: () => fields.map(({ name, node }) => [name, node.next()]),
  }
}
