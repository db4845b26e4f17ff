import type { changedPolicies, ImportFilters, missingPolicies, Storage, syncModes } from '../entities/storage.ts'
import { builder } from './builder.ts'
import type { InputFields } from './storage-input.ts'

export const SyncModeRef = builder.enumType('SyncMode', {
  description: 'Where a sync begins to list.',
  values: {
    FULL: { description: 'At the beginning: everything is listed.' },
    NEW_ONLY: { description: 'Behind the highest key that was listed before, for buckets whose keys only grow.' },
  } satisfies Record<(typeof syncModes)[number], { description: string }>,
})

export const MissingPolicyRef = builder.enumType('MissingPolicy', {
  description: 'What a sync does about tasks whose object is gone, once everything was listed.',
  values: {
    KEEP: { description: 'Nothing.' },
    FLAG: { description: 'Says so on their links (objectExists), and takes it back when the object is there again.' },
    DELETE_UNANNOTATED: { description: 'Deletes the tasks that nobody has annotated, and flags the others.' },
  } satisfies Record<(typeof missingPolicies)[number], { description: string }>,
})

export const ChangedPolicyRef = builder.enumType('ChangedPolicy', {
  description: 'What a sync does about objects whose etag, size or time is not what it was when they were imported.',
  values: {
    IGNORE: { description: 'Nothing.' },
    UPDATE: {
      description:
        'Reads them again and replaces the data of their tasks, which keep their ids and annotations. Predictions are replaced where the object has some.',
    },
    REPORT: { description: 'Makes an issue of each.' },
  } satisfies Record<(typeof changedPolicies)[number], { description: string }>,
})

const filterWords = {
  include:
    'Glob patterns of which a key must match one: * within a folder, ** over folders, ? and {a,b}; null = every key.',
  exclude: 'Glob patterns of which a key must match none; null = none.',
  minBytes: 'Least size of an object in bytes; null = any.',
  maxBytes: 'Greatest size of an object in bytes; null = any.',
  minAgeSeconds:
    'Seconds since the last change of an object at least, such as to leave alone what is still written; null = any.',
  maxAgeSeconds: 'Seconds since the last change of an object at most; null = any.',
  maxObjects: 'Objects that one sync imports at most; null = all.',
  sample: 'Imports only a part of the objects, the same in every sync; null = all.',
}

const SampleRef = builder.objectRef<{ take: number; of: number }>('ImportSample').implement({
  description: 'A part of all objects, chosen by a hash of their keys.',
  fields: (t) => ({
    take: t.exposeInt('take', { description: 'So many …' }),
    of: t.exposeInt('of', { description: '… of so many.' }),
  }),
})

const ImportFiltersRef = builder.objectRef<ImportFilters>('ImportFilters').implement({
  description: 'Which objects are imported, beside the regexFilter.',
  fields: (t) => ({
    include: t.exposeStringList('include', { nullable: true, description: filterWords.include }),
    exclude: t.exposeStringList('exclude', { nullable: true, description: filterWords.exclude }),
    minBytes: t.expose('minBytes', { type: 'SafeInt', nullable: true, description: filterWords.minBytes }),
    maxBytes: t.expose('maxBytes', { type: 'SafeInt', nullable: true, description: filterWords.maxBytes }),
    minAgeSeconds: t.expose('minAgeSeconds', {
      type: 'SafeInt',
      nullable: true,
      description: filterWords.minAgeSeconds,
    }),
    maxAgeSeconds: t.expose('maxAgeSeconds', {
      type: 'SafeInt',
      nullable: true,
      description: filterWords.maxAgeSeconds,
    }),
    maxObjects: t.expose('maxObjects', { type: 'SafeInt', nullable: true, description: filterWords.maxObjects }),
    sample: t.expose('sample', { type: SampleRef, nullable: true, description: filterWords.sample }),
  }),
})

const SampleInput = builder.inputType('ImportSampleInput', {
  description: 'A part of all objects, chosen by a hash of their keys.',
  fields: (t) => ({
    take: t.int({ required: true, description: 'So many …' }),
    of: t.int({ required: true, description: '… of so many.' }),
  }),
})

const ImportFiltersInput = builder.inputType('ImportFiltersInput', {
  description: 'Which objects are imported, beside the regexFilter. Replaces all filters that were there.',
  fields: (t) => ({
    include: t.stringList({ description: filterWords.include }),
    exclude: t.stringList({ description: filterWords.exclude }),
    minBytes: t.field({ type: 'SafeInt', description: filterWords.minBytes }),
    maxBytes: t.field({ type: 'SafeInt', description: filterWords.maxBytes }),
    minAgeSeconds: t.field({ type: 'SafeInt', description: filterWords.minAgeSeconds }),
    maxAgeSeconds: t.field({ type: 'SafeInt', description: filterWords.maxAgeSeconds }),
    maxObjects: t.field({ type: 'SafeInt', description: filterWords.maxObjects }),
    sample: t.field({ type: SampleInput, description: filterWords.sample }),
  }),
})

const MaxMissingInput = builder.inputType('MaxMissingInput', {
  description: 'How much may be missing at once: a number, or a share of what is imported.',
  isOneOf: true,
  fields: (t) => ({
    count: t.field({ type: 'SafeInt', description: 'So many objects.' }),
    share: t.float({ description: 'Such a share of all imported objects, from 0 to 1.' }),
  }),
})

const MaxMissingRef = builder.objectRef<{ count: number | null; share: number | null }>('MaxMissing').implement({
  description: 'How much may be missing at once.',
  fields: (t) => ({
    count: t.expose('count', { type: 'SafeInt', nullable: true, description: 'So many objects; null = see `share`.' }),
    share: t.exposeFloat('share', {
      nullable: true,
      description: 'Such a share of all imported objects, from 0 to 1; null = see `count`.',
    }),
  }),
})

const maxMissingWords =
  'The brake: a sync that misses more objects than this does nothing about them and says so; null = there is none.'

export const sidecarWords =
  'Whether files that other programs keep beside the data are skipped: _SUCCESS, _metadata, _common_metadata, _started_*, _committed_*, .*.crc, .DS_Store, Thumbs.db.'
export const hiveWords =
  'Whether the folders `name=value` of a key are added to the data of its tasks, as text. A field of the row with the same name wins.'

/** The input fields about what is imported, for every input type that has settings of an import. */
export const importSettings = (t: InputFields) => ({
  filters: t.field({
    type: ImportFiltersInput,
    description: 'Which objects are imported, beside the regexFilter; null: all.',
  }),
  syncMode: t.field({ type: SyncModeRef, description: 'Where a sync begins to list. Default: FULL.' }),
  missingPolicy: t.field({ type: MissingPolicyRef, description: 'What is done about missing objects. Default: FLAG.' }),
  changedPolicy: t.field({
    type: ChangedPolicyRef,
    description: 'What is done about changed objects. Default: IGNORE.',
  }),
  maxMissing: t.field({ type: MaxMissingInput, description: maxMissingWords }),
  skipSidecars: t.boolean({ description: `${sidecarWords} Default: true.` }),
  hiveColumns: t.boolean({ description: `${hiveWords} Default: false.` }),
})

/** The fields of an import storage about what is imported. */
export const importFields = {
  filters: { type: ImportFiltersRef, description: 'Which objects are imported, beside the regexFilter; null = all.' },
  maxMissing: {
    type: MaxMissingRef,
    description: maxMissingWords,
    resolve: ({ maxMissing, maxMissingShare }: Storage) =>
      maxMissing == null && maxMissingShare == null
        ? null
        : { count: maxMissing ?? null, share: maxMissingShare ?? null },
  },
}
