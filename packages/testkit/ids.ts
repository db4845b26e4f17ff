import { decodeId } from '../../src/graphql/ids.ts'

/** The number in a global id, as in the database and in resolve links. */
export const numberOf = (globalId: string): number => Number(decodeId(globalId).id)
