import type { ContainerClient } from '@azure/storage-blob'
import { SluiceError } from '../../errors.ts'
import { folderOf } from '../kit/folder-of.ts'
import { cursorToken, noProgress, tokenCursor } from '../kit/token-cursor.ts'
import type { ListPage } from '../provider.ts'
import { listingOf } from './limited-client.ts'

/**
 * One page of blobs under `prefix`: all levels, or one level without `recursive`. Includes folders only if their key ends in
 * `/`.
 */
export async function listPage(
  container: ContainerClient,
  where: { prefix: string; cursor: string | null; limit: number; recursive: boolean; abortSignal: AbortSignal },
): Promise<ListPage> {
  const { cursor, limit, recursive, abortSignal } = where
  const prefix = recursive ? where.prefix : folderOf(where.prefix)
  const options = { prefix, includeMetadata: true, abortSignal }
  const from = { maxPageSize: limit, ...(cursor !== null && { continuationToken: cursorToken(cursor) }) }
  const pages = recursive
    ? container.listBlobsFlat(options).byPage(from)
    : container.listBlobsByHierarchy('/', options).byPage(from)
  const page = await listingOf(limit, () =>
    pages.next().catch((error: unknown) => {
      // The SDK fails like this on a response that is not a listing. A website may answer 200 with a page.
      throw error instanceof TypeError ? new SluiceError('CONSOLE_URL', undefined, { cause: error }) : error
    }),
  )
  if (!page) throw new SluiceError('CONSOLE_URL')
  const { objects, marker } = page
  const next = tokenCursor(marker)
  if (next !== null && next === cursor) throw noProgress()
  return { objects, cursor: next }
}
