import { SluiceError } from '../../errors.ts'

// Keys with long names or many properties: 1,000 of them can take more bytes than a page may have.
const smallPageKeys = 200

/** Lists with `limit`; if the page is too large, once more with fewer keys. @throws what `list` throws */
export async function listSmaller<T>(limit: number, list: (limit: number) => Promise<T>): Promise<T> {
  try {
    return await list(limit)
  } catch (error) {
    if (limit <= smallPageKeys || !(error instanceof SluiceError) || error.code !== 'REMOTE_RESPONSE_TOO_LARGE')
      throw error
    return list(smallPageKeys)
  }
}
