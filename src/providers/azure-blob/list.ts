import type { BlobItem, ContainerClient } from '@azure/storage-blob'
import { SluiceError } from '../../errors.ts'
import type { ListPage } from '../provider.ts'
import { quoted } from './open-body.ts'

/** One page of blobs under `prefix`; without `recursive` one level under it. Folders are left out, unless a key says it. */
export async function listPage(
  container: ContainerClient,
  where: { prefix: string; cursor: string | null; limit: number; recursive: boolean; abortSignal: AbortSignal },
): Promise<ListPage> {
  const { cursor, limit, recursive, abortSignal } = where
  const prefix = recursive ? where.prefix : folderOf(where.prefix)
  const options = { prefix, includeMetadata: true, abortSignal }
  const from = { maxPageSize: limit, ...(cursor !== null && { continuationToken: cursor }) }
  const pages = recursive
    ? container.listBlobsFlat(options).byPage(from)
    : container.listBlobsByHierarchy('/', options).byPage(from)
  const answer = await pages.next().catch((error: unknown) => {
    // What the SDK stumbles over is no listing: a website may well answer 200 with a page.
    throw error instanceof TypeError ? new SluiceError('CONSOLE_URL', undefined, { cause: error }) : error
  })
  if (answer.done) return { objects: [], cursor: null }
  const { segment, continuationToken } = answer.value
  if (continuationToken && continuationToken === cursor) {
    throw new SluiceError('UNEXPECTED_ANSWER', 'The listing says that it goes on, but does not.')
  }
  const objects = segment.blobItems
    .filter((blob) => blob.name.endsWith('/') || !isFolderMarker(blob))
    .map(({ name, properties }) => ({
      key: name,
      size: properties.contentLength ?? 0,
      etag: quoted(properties.etag),
      lastModified: properties.lastModified ?? null,
    }))
  return { objects, cursor: continuationToken || null }
}

/** What Data Lake and its tools keep for a folder: a blob of its name, without a slash. */
const isFolderMarker = ({ properties, metadata }: BlobItem) =>
  (properties.contentLength ?? 0) === 0 &&
  Object.entries(metadata ?? {}).some(([name, value]) => name.toLowerCase() === 'hdi_isfolder' && value === 'true')

const folderOf = (prefix: string) => (prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`)
