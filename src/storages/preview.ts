import { StorageEntity } from '../entities/storage.ts'
import { SluiceError, ValidationError } from '../errors.ts'
import { keyFault } from '../providers/key-bytes.ts'
import { compareKeys } from '../providers/key-order.ts'
import { folderOf } from '../providers/kit/folder-of.ts'
import { followListing } from '../providers/kit/list-progress.ts'
import type { ListGap, ObjectInfo } from '../providers/provider.ts'
import { providers } from '../providers/registry.ts'
import { toError } from '../unknown.ts'
import { answerSignal, answerTimeoutMs } from './answer-time.ts'
import type { DraftTarget, StorageDeps, StorageInput } from './draft.ts'
import { draftImport } from './import-settings.ts'
import { createObjectFilter } from './object-filter.ts'

/**
 * The first objects that a sync would list. `rule` is the filter rule that excludes the object, or the code of the issue that a
 * sync would report. Null means that the object would be imported. A folder that cannot be listed has an entry, too.
 */
export interface Preview {
  /** The listed prefix. It ends with `/` if only one level of a folder is listed. */
  prefix: string
  objects: { object: ObjectInfo; rule: string | null }[]
  /** True if there are no more objects. */
  isComplete: boolean
}

/**
 * Lists the first `first` objects (at most 1,000) of a stored storage, a stored storage with changes, or a candidate, as a sync
 * would. Saves nothing and reads no object.
 * @throws ValidationError, NotFoundError; SluiceError if the location cannot be listed, TIMEOUT after `timeoutMs`.
 */
export async function previewObjects(
  parts: StorageDeps,
  target: DraftTarget,
  { input, first, timeoutMs = answerTimeoutMs }: { input: StorageInput; first: number; timeoutMs?: number },
): Promise<Preview> {
  if (first < 1 || first > 1_000) throw new ValidationError([{ path: 'first', message: 'must be from 1 to 1000' }])
  if ('id' in target && (await parts.em.fork().count(StorageEntity, { id: target.id, direction: 'EXPORT' })) > 0) {
    throw new ValidationError([{ path: 'input.id', message: 'is an export storage, from which nothing is imported' }])
  }
  const draft = await draftImport(parts, target, input)
  const filter = createObjectFilter(
    {
      regexFilter: draft.regexFilter ?? null,
      filters: draft.filters ?? null,
      ...(draft.skipSidecars !== undefined && { skipSidecars: draft.skipSidecars }),
    },
    undefined,
    { isStored: true },
  )
  const recursive = draft.recursive ?? true
  const { prefix } = providers[draft.provider].place(draft.location)
  const signal = answerSignal(timeoutMs)
  const provider = await parts.connect(draft)
  try {
    const objects: ObjectInfo[] = []
    const gaps = new Map<string, ListGap>()
    const progress = followListing({ ordered: (provider.ordered ?? provider.ascends) === true })
    let cursor: string | null = null
    do {
      const limit = Math.min(1_000, first - objects.length)
      const page = await provider.list({ cursor, limit, recursive, signal })
      progress.add(page)
      objects.push(...page.objects)
      for (const gap of page.gaps ?? []) gaps.set(gap.key, gap)
      cursor = page.cursor
    } while (cursor !== null && objects.length < first)
    const listed = objects.slice(0, first)
    const rules = await filter.all(listed)
    const previewed = listed.map((object, at) => ({
      object,
      rule: rules[at] ?? keyFault(object.key) ?? object.fault?.code ?? provider.refusesKey?.(object.key) ?? null,
    }))
    return {
      prefix: recursive ? prefix : folderOf(prefix),
      objects: gaps.size === 0 ? previewed : [...previewed, ...[...gaps.values()].map(previewedGap)].sort(byKey),
      isComplete: cursor === null && objects.length <= first,
    }
  } catch (error) {
    throw toError(error).name === 'TimeoutError' ? new SluiceError('TIMEOUT') : error
  } finally {
    provider.close()
  }
}

const previewedGap = ({ key, error }: ListGap): Preview['objects'][number] => ({
  object: { key, size: 0, etag: null, lastModified: null },
  rule: error.code,
})

const byKey = (a: Preview['objects'][number], b: Preview['objects'][number]) => compareKeys(a.object.key, b.object.key)
