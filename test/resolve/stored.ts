import type { Storage } from '../../src/entities/storage.ts'

/** What resolving reads of a storage on S3. */
export const s3 = (id: number, bucket: string, prefix = '', endpoint?: string) =>
  ({ id, provider: 'S3', location: { bucket, prefix, endpoint } }) as unknown as Storage

/** What resolving reads of a storage on local files. */
export const local = (id: number, path: string) =>
  ({ id, provider: 'LOCAL_FILES', location: { path } }) as unknown as Storage
