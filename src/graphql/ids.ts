import { decodeGlobalID, encodeGlobalID } from '@pothos/plugin-relay'
import { type GraphQLSchema, isObjectType } from 'graphql'
import { NotFoundError } from '../errors.ts'

/** The types that a storage's global id can be of. */
export const storageTypes = ['ImportStorage', 'ExportStorage'] as const

/**
 * The database id inside a global id of the given type.
 * @throws NotFoundError when it is malformed or of another type: for the caller there is no such object.
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

/** The parts of a global id; both empty when it is malformed. */
export function decodeId(globalId: string): { typename: string; id: string } {
  try {
    return decodeGlobalID(globalId)
  } catch {
    return { typename: '', id: '' }
  }
}

/** Whether the parts of a global id can be those of an object of the schema. */
export function isNodeId(schema: GraphQLSchema, { typename, id }: { typename: string; id: string }): boolean {
  const type = schema.getType(typename)
  return isObjectType(type) && type.getInterfaces().some(({ name }) => name === 'Node') && isDatabaseId(id)
}

const isDatabaseId = (id: string) => /^[1-9]\d{0,15}$/.test(id)
