import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { UrlMappingEntity } from '../entities/url-mapping.ts'
import type { FieldError } from '../errors.ts'
import { hasDotSegments } from '../providers/kit/dot-segments.ts'
import { type ProviderName, providers } from '../providers/registry.ts'
import { execute } from '../sql.ts'

/** URLs of another tool that begin with `prefix` stand for objects of an import storage of the same project. */
export interface UrlMappingInput {
  prefix: string
  /** Database id of the storage. */
  storage: number
  /** What the key begins with, before the rest of the URL. Absent or null: the prefix of the storage. */
  keyPrefix?: string | null | undefined
}

const maxMappings = 100
const maxPrefixChars = 500
const maxKeyBytes = 1_024

/**
 * The errors of the mappings, each with its path. A storage of another project gets the same error as one that does not exist. The
 * storages are locked, so that none is deleted before the mappings are saved.
 */
export async function urlMappingFaults(
  tx: EntityManager,
  project: number,
  mappings: readonly UrlMappingInput[],
): Promise<FieldError[]> {
  const path = 'input.urlMappings'
  if (mappings.length > maxMappings) return [{ path, message: `must be at most ${maxMappings}` }]
  const rows = await execute<{ id: string; provider: ProviderName; location: Record<string, unknown> }>(
    tx,
    sql`select id, provider, location from storage
     where project_id = ${project} and direction = 'IMPORT' and detached_at is null
       and id = any(${mappings.map(({ storage }) => storage)}::bigint[])
     order by id for key share`,
  )
  const storages = new Map(rows.map((row) => [Number(row.id), providers[row.provider].place(row.location as never)]))
  return mappings.flatMap(({ prefix, storage, keyPrefix }, index) => {
    const isTwin = mappings.findIndex((other) => other.prefix === prefix) < index
    const place = storages.get(storage)
    const faults = {
      prefix: isTwin ? 'is there twice' : prefixFault(prefix),
      storageId: place ? undefined : 'must be an import storage of this project',
      keyPrefix: typeof keyPrefix === 'string' ? keyPrefixFault(keyPrefix, place?.prefix) : undefined,
    }
    return Object.entries(faults).flatMap(([name, message]) =>
      message === undefined ? [] : [{ path: `${path}.${index}.${name}`, message }],
    )
  })
}

function prefixFault(prefix: string): string | undefined {
  if (prefix.length > maxPrefixChars) return `has more than ${maxPrefixChars} characters`
  if (/[\s\p{Cc}"'`<>\\]/u.test(prefix) || !prefix.isWellFormed()) {
    return 'must have no white space, quotes, angle brackets, backslashes or control characters: enter it as it is in the task data'
  }
  if (prefix.includes('#')) return 'must have no #: what follows it is never sent to a server'
  if (!/^(?:https?:\/\/[^/?#]+)?\/[^/]/i.test(prefix)) {
    return 'must begin with one / and a name, or be an http:// or https:// URL with a path, such as /data/upload/'
  }
  if (hasDotSegments(prefix)) return 'must have no "." or ".." segment'
  return undefined
}

function keyPrefixFault(keyPrefix: string, storagePrefix: string | undefined): string | undefined {
  if (!keyPrefix.isWellFormed() || keyPrefix.includes('\0')) return 'must be text without NUL characters'
  if (Buffer.byteLength(keyPrefix) > maxKeyBytes) return `has more than ${maxKeyBytes} bytes`
  if (hasDotSegments(keyPrefix)) return 'must have no "." or ".." segment'
  if (storagePrefix !== undefined && !keyPrefix.startsWith(storagePrefix) && !storagePrefix.startsWith(keyPrefix)) {
    return `must begin with the prefix of the storage, ${JSON.stringify(storagePrefix)}: objects outside of it are never served`
  }
  return undefined
}

/** Replaces the mappings of a project with these valid ones. */
export async function saveUrlMappings(
  tx: EntityManager,
  project: number,
  mappings: readonly UrlMappingInput[],
): Promise<void> {
  await tx.nativeDelete(UrlMappingEntity, { project })
  await tx.insertMany(
    UrlMappingEntity,
    mappings.map(({ prefix, storage, keyPrefix = null }) => ({ project, prefix, storage, keyPrefix })),
  )
}
