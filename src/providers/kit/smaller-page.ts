import { SluiceError } from '../../errors.ts'

// 1,000 objects with long keys or many properties can exceed the byte limit of a page.
const smallPageKeys = 200

/** Lists with `limit`. If the page has too many bytes, lists again with 200 keys. @throws the errors of `list` */
export async function listSmaller<T>(limit: number, list: (limit: number) => Promise<T>): Promise<T> {
  try {
    return await list(limit)
  } catch (error) {
    if (limit <= smallPageKeys || !(error instanceof SluiceError) || error.code !== 'REMOTE_RESPONSE_TOO_LARGE')
      throw error
    return list(smallPageKeys)
  }
}
