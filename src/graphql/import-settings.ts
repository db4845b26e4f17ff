import type { changedPolicies, ImportFilters, missingPolicies, Storage, syncModes } from '../entities/storage.ts'
import { builder } from './builder.ts'
import type { InputFields } from './storage-input.ts'

export const SyncModeRef = builder.enumType('SyncMode', {
  description: 'Where a sync starts to list the storage.',
  values: {
    FULL: { description: 'At the first key: the sync lists everything.' },
    NEW_ONLY: {
      description:
        'After the highest key that an earlier sync listed. For buckets whose new keys always sort last. Such a sync does not detect missing objects.',
    },
  } satisfies Record<(typeof syncModes)[number], { description: string }>,
})

export const MissingPolicyRef = builder.enumType('MissingPolicy', {
  description:
    'What a sync does with tasks whose object or row is missing: a complete listing does not contain the object, or the changed object (`changedPolicy: UPDATE`) no longer contains the row.',
  values: {
    KEEP: { description: 'Does not look for missing objects.' },
    FLAG: {
      description:
        'Sets `objectExists` of their links to false. If the object appears again, the next sync sets it back to true.',
    },
    DELETE_UNANNOTATED: {
      description: 'Deletes tasks without annotations, and flags the links of the others as FLAG does.',
    },
  } satisfies Record<(typeof missingPolicies)[number], { description: string }>,
})

export const ChangedPolicyRef = builder.enumType('ChangedPolicy', {
  description: 'What a sync does with objects whose etag, size or modification time has changed since the import.',
  values: {
    IGNORE: { description: 'Does not look for changed objects.' },
    UPDATE: {
      description:
        'Reads the object again and replaces the data of its tasks. The tasks keep their ids and annotations. If the object has predictions, they replace the old ones.',
    },
    REPORT: { description: 'Reports the issue OBJECT_CHANGED for each object. Its tasks stay as they are.' },
  } satisfies Record<(typeof changedPolicies)[number], { description: string }>,
})

const filterDescriptions = {
  include:
    'Glob patterns, at most 100: * matches within a folder, ** across folders, ? one character, {a,b} either text. The import includes only keys that match at least one pattern as a whole. Null: every key.',
  exclude:
    'Glob patterns, at most 100. The import excludes keys that match at least one pattern as a whole. Null: it excludes none.',
  minBytes: 'Minimum size of an object in bytes. Null: no minimum.',
  maxBytes: 'Maximum size of an object in bytes. Null: no maximum.',
  minAgeSeconds:
    'Minimum age in seconds: the import excludes objects that changed more recently, for example because a program still writes them. Null: no minimum.',
  maxAgeSeconds:
    'Maximum age in seconds: the import excludes objects whose last change is longer ago. Null: no maximum.',
  maxObjects:
    'Maximum number of objects that one sync imports, at least 1. Such a sync does not detect missing objects. Null: no maximum.',
  sample: 'Import only a sample of the objects. Every sync selects the same objects. Null: all objects.',
}

const SampleRef = builder.objectRef<{ take: number; of: number }>('ImportSample').implement({
  description: 'A sample of all objects: about `take` of every `of` objects, selected by a hash of the key.',
  fields: (t) => ({
    take: t.exposeInt('take', { description: 'Numerator of the sampled share, from 1 to `of`.' }),
    of: t.exposeInt('of', { description: 'Denominator of the sampled share.' }),
  }),
})

const ImportFiltersRef = builder.objectRef<ImportFilters>('ImportFilters').implement({
  description: 'Conditions that an object must meet to be imported, in addition to regexFilter.',
  fields: (t) => ({
    include: t.exposeStringList('include', { nullable: true, description: filterDescriptions.include }),
    exclude: t.exposeStringList('exclude', { nullable: true, description: filterDescriptions.exclude }),
    minBytes: t.expose('minBytes', { type: 'SafeInt', nullable: true, description: filterDescriptions.minBytes }),
    maxBytes: t.expose('maxBytes', { type: 'SafeInt', nullable: true, description: filterDescriptions.maxBytes }),
    minAgeSeconds: t.expose('minAgeSeconds', {
      type: 'SafeInt',
      nullable: true,
      description: filterDescriptions.minAgeSeconds,
    }),
    maxAgeSeconds: t.expose('maxAgeSeconds', {
      type: 'SafeInt',
      nullable: true,
      description: filterDescriptions.maxAgeSeconds,
    }),
    maxObjects: t.expose('maxObjects', { type: 'SafeInt', nullable: true, description: filterDescriptions.maxObjects }),
    sample: t.expose('sample', { type: SampleRef, nullable: true, description: filterDescriptions.sample }),
  }),
})

const SampleInput = builder.inputType('ImportSampleInput', {
  description: 'A sample of all objects: about `take` of every `of` objects, selected by a hash of the key.',
  fields: (t) => ({
    take: t.int({ required: true, description: 'Numerator of the sampled share, from 1 to `of`.' }),
    of: t.int({ required: true, description: 'Denominator of the sampled share.' }),
  }),
})

const ImportFiltersInput = builder.inputType('ImportFiltersInput', {
  description:
    'Conditions that an object must meet to be imported, in addition to regexFilter. They replace all former filters.',
  fields: (t) => ({
    include: t.stringList({ description: filterDescriptions.include }),
    exclude: t.stringList({ description: filterDescriptions.exclude }),
    minBytes: t.field({ type: 'SafeInt', description: filterDescriptions.minBytes }),
    maxBytes: t.field({ type: 'SafeInt', description: filterDescriptions.maxBytes }),
    minAgeSeconds: t.field({ type: 'SafeInt', description: filterDescriptions.minAgeSeconds }),
    maxAgeSeconds: t.field({ type: 'SafeInt', description: filterDescriptions.maxAgeSeconds }),
    maxObjects: t.field({ type: 'SafeInt', description: filterDescriptions.maxObjects }),
    sample: t.field({ type: SampleInput, description: filterDescriptions.sample }),
  }),
})

const MaxMissingInput = builder.inputType('MaxMissingInput', {
  description:
    'Maximum number of missing objects and rows that a sync accepts: a count, or a share of all imported objects or rows.',
  isOneOf: true,
  fields: (t) => ({
    count: t.field({ type: 'SafeInt', description: 'Number of objects and rows, at least 0.' }),
    share: t.float({ description: 'Share of all imported objects, and of all imported rows, from 0 to 1.' }),
  }),
})

const MaxMissingRef = builder.objectRef<{ count: number | null; share: number | null }>('MaxMissing').implement({
  description:
    'Maximum number of missing objects and rows that a sync accepts: a count, or a share of all imported objects or rows.',
  fields: (t) => ({
    count: t.expose('count', {
      type: 'SafeInt',
      nullable: true,
      description: 'Number of objects. Null if the limit is a share.',
    }),
    share: t.exposeFloat('share', {
      nullable: true,
      description: 'Share of all imported objects, from 0 to 1. Null if the limit is a count.',
    }),
  }),
})

const maxMissingDescription =
  'Limit for missing objects and rows. If a sync misses more, it changes none of their links and tasks, and reports the issue TOO_MANY_MISSING. Null: no limit.'

export const sidecarDescription =
  'Whether the import excludes sidecar files, which other programs write next to the data: _SUCCESS, _metadata, _common_metadata, _started_*, _committed_*, .*.crc, .DS_Store, Thumbs.db.'
export const hiveDescription =
  'Whether the import adds each folder `name=value` of a key to the data of its tasks, as a text field. A field of the row with the same name takes precedence.'

export const timesDescription =
  'Whether tasks, annotations and predictions keep `created_at` and `updated_at` of their file. A row with an impossible time is the issue BAD_ENVELOPE. If false, Sluice sets the time of the import.'

/** The input fields about what is imported, for every input type that has settings of an import. */
export const importSettings = (t: InputFields) => ({
  filters: t.field({
    type: ImportFiltersInput,
    description: 'Conditions that an object must meet to be imported, in addition to regexFilter. Null: no conditions.',
  }),
  syncMode: t.field({ type: SyncModeRef, description: 'Where a sync starts to list the storage. Default: FULL.' }),
  missingPolicy: t.field({
    type: MissingPolicyRef,
    description: 'What a sync does with tasks whose object is missing. Default: FLAG.',
  }),
  changedPolicy: t.field({
    type: ChangedPolicyRef,
    description: 'What a sync does with objects that changed since the import. Default: IGNORE.',
  }),
  maxMissing: t.field({ type: MaxMissingInput, description: maxMissingDescription }),
  skipSidecars: t.boolean({ description: `${sidecarDescription} Default: true.` }),
  hiveColumns: t.boolean({ description: `${hiveDescription} Default: false.` }),
  keepTimes: t.boolean({ description: `${timesDescription} Default: true.` }),
})

/** The fields of an import storage about what is imported. */
export const importFields = {
  filters: {
    type: ImportFiltersRef,
    description: 'Conditions that an object must meet to be imported, in addition to regexFilter. Null: no conditions.',
  },
  maxMissing: {
    type: MaxMissingRef,
    description: maxMissingDescription,
    resolve: ({ maxMissing, maxMissingShare }: Storage) =>
      maxMissing == null && maxMissingShare == null
        ? null
        : { count: maxMissing ?? null, share: maxMissingShare ?? null },
  },
}
