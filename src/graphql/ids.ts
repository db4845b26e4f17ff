import { decodeGlobalID, encodeGlobalID } from '@pothos/plugin-relay'
import { type GraphQLSchema, isObjectType } from 'graphql'
import { NotFoundError } from '../errors.ts'

/** The types that the global id of a storage can have. */
export const storageTypes = ['ImportStorage', 'ExportStorage'] as const

/**
 * The database id in a global id of the given type.
 * @throws NotFoundError if the global id is malformed or of another type.
 */
export function idOf(typename: string | readonly string[], globalId: string | number): number {
  const wanted = typeof typename === 'string' ? [typename] : typename
  const id = decodeId(String(globalId))
  if (!wanted.includes(id.typename) || !isDatabaseId(id.id)) {
    throw new NotFoundError(
      `There is no ${wanted.join(' or ')} with the id ${JSON.stringify(String(globalId).slice(0, 80))}.`,
    )
  }
  return Number(id.id)
}

/** The global id of an object of the schema. */
export function globalIdOf(typename: string, id: number): string {
  return encodeGlobalID(typename, id)
}

/** The parts of a global id. Both are empty if it is malformed. */
export function decodeId(globalId: string): { typename: string; id: string } {
  try {
    return decodeGlobalID(globalId)
  } catch {
    return { typename: '', id: '' }
  }
}

/** True if the parts of a global id name a type with ids and a valid database id. */
export function isNodeId(schema: GraphQLSchema, { typename, id }: { typename: string; id: string }): boolean {
  const type = schema.getType(typename)
  return isObjectType(type) && type.getInterfaces().some(({ name }) => name === 'Node') && isDatabaseId(id)
}

const isDatabaseId = (id: string) => /^[1-9]\d{0,15}$/.test(id)
