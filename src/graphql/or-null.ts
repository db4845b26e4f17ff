import { NotFoundError } from '../errors.ts'

/** Null instead of a NotFoundError, for fields of queries where "there is none" is an answer. */
export async function orNull<T>(read: () => Promise<T | null>): Promise<T | null> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof NotFoundError) return null
    throw error
  }
}
