import type { EntityManager } from '@mikro-orm/postgresql'
import type { Connect } from '../connect.ts'
import { ImportLinkEntity } from '../entities/import-link.ts'
import { StorageEntity } from '../entities/storage.ts'
import { TaskEntity } from '../entities/task.ts'
import { NotFoundError, SluiceError } from '../errors.ts'
import type { ByteRange, ObjectBody } from '../providers/provider.ts'
import { pickStorage } from './pick.ts'

/** A URI's object: a signed URL to go to, or the bytes. `close` frees the sockets and must be called in the end. */
export type Delivery =
  | { mode: 'REDIRECT'; url: URL; close(): void }
  | { mode: 'STREAM'; object: ObjectBody; close(): void }

/** What is asked for: a URI in a task or project. */
export interface DeliveryRequest {
  in: { task: number } | { project: number }
  uri: string
  range?: ByteRange | undefined
  signal: AbortSignal
}

/**
 * Finds the storage that serves the URI and gets a signed URL or the bytes from it.
 * @throws NotFoundError when task or project do not exist or no storage serves the URI; SluiceError as providers do.
 */
export async function deliver(
  { em, connect }: { em: EntityManager; connect: Connect },
  { in: where, uri, range, signal }: DeliveryRequest,
): Promise<Delivery> {
  const fork = em.fork()
  const task = 'task' in where ? await fork.findOne(TaskEntity, where.task) : null
  const project = 'project' in where ? where.project : task?.project
  if (project === undefined) throw new NotFoundError('There is no such task.')
  const [storages, link] = await Promise.all([
    fork.find(StorageEntity, { project, direction: 'IMPORT' }),
    task ? em.fork().findOne(ImportLinkEntity, { task: task.id }) : null,
  ])
  const found = pickStorage(uri, storages, link?.storage)
  if (!found) throw new NotFoundError('No connected storage serves this URI.')
  const { storage, key } = found
  const provider = await connect(storage)
  try {
    if (storage.presign && provider.presign && !hasDotSegment(key)) {
      const url = await provider.presign(key, { ttlSeconds: storage.presignTtlMinutes * 60 })
      return { mode: 'REDIRECT', url, close: () => provider.close() }
    }
    const object = await provider.read(key, { range, signal })
    return { mode: 'STREAM', object, close: () => provider.close() }
  } catch (error) {
    provider.close()
    if (error instanceof SluiceError) throw error
    throw new SluiceError('UNREACHABLE', undefined, { cause: error })
  }
}

/** Browsers take `.` and `..` out of a URL's path (WHATWG URL standard), which breaks its signature: such a key is streamed. */
const hasDotSegment = (key: string) => key.split('/').some((part) => part === '.' || part === '..')
