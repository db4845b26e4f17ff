import { NotFoundError } from '../errors.ts'

/** Returns null instead of a NotFoundError, for nullable fields of queries. */
export async function orNull<T>(read: () => Promise<T | null>): Promise<T | null> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof NotFoundError) return null
    throw error
  }
}
