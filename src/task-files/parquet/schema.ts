import { type FileMetaData, parquetSchema, type SchemaTree } from 'hyparquet'
import type { Findings } from './bad-value.ts'
import type { Leaf } from './column.ts'
import { ParquetFault } from './fault.ts'
import { storedAs, variantPart } from './values.ts'

/** A column of the schema with the fields that lead to it, from the top level on. */
export interface LeafOf {
  field: SchemaTree
  path: SchemaTree[]
  /** Its name for people: the names of the path with dots. */
  name: string
  leaf: Leaf
}

const maxDepth = 100

/**
 * The fields of the top level, and the columns below them in their order in the file.
 * @throws ParquetFault when the schema contradicts itself, or a name comes twice: only one of two values could be imported
 */
export function readSchema(metadata: FileMetaData, findings: Findings): { fields: SchemaTree[]; leaves: LeafOf[] } {
  const leaves: LeafOf[] = []
  const visit = (field: SchemaTree, above: SchemaTree[]) => {
    const path = [...above, field]
    if (path.length > maxDepth) throw new ParquetFault(`its schema is more than ${maxDepth} levels deep`)
    if (field.children.length > 0) {
      refuseTwins(field.children)
      for (const child of field.children) visit(child, path)
      return
    }
    const name = path.map(({ element }) => element.name).join('.')
    if (field.element.type === undefined) throw new ParquetFault(`the column "${name}" has no type`)
    const count = (type: string[]) => path.filter(({ element }) => type.includes(element.repetition_type!)).length
    leaves.push({
      field,
      path,
      name,
      leaf: {
        stored: isVariantPart(path) ? variantPart : storedAs(field.element, findings),
        maxDefinition: count(['OPTIONAL', 'REPEATED']),
        maxRepetition: count(['REPEATED']),
      },
    })
  }
  const root = parquetSchema(metadata)
  refuseTwins(root.children)
  for (const field of root.children) visit(field, [])
  if (leaves.length === 0) throw new ParquetFault('it has no columns')
  return { fields: root.children, leaves }
}

function refuseTwins(fields: SchemaTree[]): void {
  const names = new Set<string>()
  for (const { element } of fields) {
    if (element.name.includes('\ufffd')) throw new ParquetFault('the name of a column is not UTF-8', 'BAD_COLUMN_NAMES')
    if (names.has(element.name)) {
      throw new ParquetFault(`two columns have the name "${element.name}"`, 'BAD_COLUMN_NAMES')
    }
    names.add(element.name)
  }
}

/** The undecoded parts of a variant: its names, and what has no column of its own type. */
function isVariantPart(path: SchemaTree[]): boolean {
  const { name, type, logical_type, converted_type } = path.at(-1)!.element
  const isPlain = type === 'BYTE_ARRAY' && !logical_type && !converted_type
  if (!isPlain || (name !== 'value' && name !== 'metadata')) return false
  return path.some(({ element }) => element.logical_type?.type === 'VARIANT')
}
