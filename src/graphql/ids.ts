import { decodeGlobalID } from '@pothos/plugin-relay'
import { NotFoundError } from '../errors.ts'

/**
 * The database id inside a global id of the given type.
 * @throws NotFoundError when it is malformed or of another type: for the caller there is no such object.
 */
export function idOf(typename: string | readonly string[], globalId: string | number): number {
  const wanted = typeof typename === 'string' ? [typename] : typename
  const id = tryDecode(String(globalId))
  if (!id || !wanted.includes(id.typename) || !/^[1-9]\d{0,15}$/.test(id.id)) {
    throw new NotFoundError(`There is no ${wanted[0]} with the id ${JSON.stringify(String(globalId).slice(0, 80))}.`)
  }
  return Number(id.id)
}

function tryDecode(globalId: string): { typename: string; id: string } | undefined {
  try {
    return decodeGlobalID(globalId)
  } catch {
    return undefined
  }
}
