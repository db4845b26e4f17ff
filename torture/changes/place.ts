import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import { textsIn } from '@sluice/testkit/exports.ts'
import type { S3Server } from '@sluice/testkit/s3.ts'

export const placeKinds = ['S3', 'LOCAL_FILES'] as const
export type PlaceKind = (typeof placeKinds)[number]

/** An object as it is in the bucket. Two objects with the same `version` have the same etag and size. */
export interface Stored {
  body: string
  version: string
  /** Which write it is from. A copy is another write, a renamed file is not. */
  write: number
}

/** A bucket or a local folder, with a record of what it contains. Keys include `base`. */
export interface Place {
  kind: PlaceKind
  /** What its keys begin with: nothing, or the name of the folder below the root. */
  base: string
  /** Objects by key. */
  objects: Map<string, Stored>
  /** The location input, for the objects below `base` and `prefix`. */
  location(prefix?: string): Record<string, unknown>
  /** The stored location with another place, for `location || …` in SQL. */
  stored: Record<string, unknown>
  uri(key: string): string
  put(key: string, body: string): Promise<void>
  remove(key: string): Promise<void>
  /** The texts of what is really there, by key. Nobody may write meanwhile. */
  texts(): Promise<Map<string, string>>
  /** Copies and deletes in S3, renames a local file. */
  move(from: string, to: string): Promise<void>
}

/** An empty bucket at `endpoint`, through which workers reach the server. */
export async function createBucketPlace(s3: S3Server, bucket: string, endpoint: string): Promise<Place> {
  await s3.createBucket(bucket)
  const objects = new Map<string, Stored>()
  let writes = 0
  const put = async (key: string, body: string) => {
    await s3.put(bucket, key, body)
    objects.set(key, { body, version: createHash('md5').update(body).digest('hex'), write: ++writes })
  }
  const remove = async (key: string) => {
    await s3.client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }))
    objects.delete(key)
  }
  return {
    kind: 'S3',
    base: '',
    objects,
    stored: { bucket },
    location: (prefix = '') => ({ s3: { bucket, prefix, endpoint, accessKeyId: 'key', secretAccessKey: 'secret' } }),
    uri: (key) => `s3://${bucket}/${key}`,
    put,
    remove,
    texts: async () => new Map(Object.entries(await textsIn(s3, bucket))),
    async move(from, to) {
      await put(to, objects.get(from)!.body)
      await remove(from)
    },
  }
}

/** An empty folder below `root`. */
export function createFolderPlace(root: string, name: string): Place {
  const path = (key: string) => join(root, key)
  mkdirSync(path(name), { recursive: true })
  const objects = new Map<string, Stored>()
  let writes = 0
  const keys = () => {
    const found = readdirSync(path(name), { recursive: true, withFileTypes: true })
    // A worker that was killed leaves the file that it was writing, under another name.
    const files = found.filter((entry) => entry.isFile() && !entry.name.endsWith('.part'))
    return files.map((entry) => relative(root, join(entry.parentPath, entry.name)))
  }
  return {
    kind: 'LOCAL_FILES',
    base: `${name}/`,
    objects,
    stored: { path: name },
    location: (prefix = '') => ({ localFiles: { path: `${name}/${prefix}`.replace(/\/$/, '') } }),
    uri: (key) => `local-files:///${key}`,
    async put(key, body) {
      mkdirSync(dirname(path(key)), { recursive: true })
      writeFileSync(path(key), body)
      // Inode and time make the etag of a file.
      writes++
      objects.set(key, { body, version: `${name}-${writes}`, write: writes })
    },
    async remove(key) {
      rmSync(path(key))
      objects.delete(key)
    },
    texts: async () => new Map(keys().map((key) => [key, readFileSync(path(key), 'utf8')])),
    async move(from, to) {
      mkdirSync(dirname(path(to)), { recursive: true })
      renameSync(path(from), path(to))
      objects.set(to, objects.get(from)!)
      objects.delete(from)
    },
  }
}
