import { ValidationError } from '../errors.ts'
import { type Preview, previewObjects } from '../storages/preview.ts'
import type { FilterRule } from '../sync/object-filter.ts'
import { builder } from './builder.ts'
import { idOf } from './ids.ts'
import { importSettings } from './import-settings.ts'
import { StorageLocationInputRef } from './location.ts'
import { ImportMethodRef } from './storage.ts'
import { settingsOf } from './storage-input.ts'

const PreviewObjectsInput = builder.inputType('PreviewObjectsInput', {
  description:
    'A stored import storage (id), one with changes (id and settings), or a candidate (projectId and settings).',
  fields: (t) => ({
    id: t.id({ description: 'Global id of a stored import storage.' }),
    projectId: t.id({ description: 'Global id of the project that a candidate is meant for.' }),
    location: t.field({ type: StorageLocationInputRef, description: 'Where the objects are.' }),
    importMethod: t.field({ type: ImportMethodRef, description: 'What an object is.' }),
    regexFilter: t.string({ description: 'Only keys that match from their start (RE2 syntax).' }),
    recursive: t.boolean({ description: 'Whether folders below the prefix are listed, too.' }),
    ...importSettings(t),
  }),
})

const FilterRuleRef = builder.enumType('ImportFilterRule', {
  description: 'Why an object is not imported.',
  values: {
    FOLDER_MARKER: { description: 'Its key ends in a slash: it stands for a folder.' },
    SIDECAR: {
      description:
        'It is a file that another program keeps beside the data, such as _SUCCESS or .DS_Store, and `skipSidecars` is set.',
    },
    REGEX: { description: 'The regexFilter does not match its key.' },
    INCLUDE: { description: 'No pattern of `include` matches its key.' },
    EXCLUDE: { description: 'A pattern of `exclude` matches its key.' },
    TOO_SMALL: { description: 'It has fewer bytes than `minBytes`.' },
    TOO_LARGE: { description: 'It has more bytes than `maxBytes`.' },
    TOO_NEW: { description: 'It was changed within `minAgeSeconds`.' },
    TOO_OLD: { description: 'It was not changed within `maxAgeSeconds`.' },
    SAMPLE: { description: 'It is not in the sample.' },
    KEY_HAS_DOT_SEGMENTS: {
      description:
        'Its key has a `.` or `..` segment, which is not sent to this endpoint. A sync reports it as an issue.',
    },
  } satisfies Record<FilterRule | 'KEY_HAS_DOT_SEGMENTS', { description: string }>,
})

const PreviewedObjectRef = builder.objectRef<Preview['objects'][number]>('PreviewedObject').implement({
  description: 'An object as a sync would see it.',
  fields: (t) => ({
    key: t.string({ description: 'Its key.', resolve: ({ object }) => object.key.toWellFormed() }),
    size: t.field({ type: 'SafeInt', description: 'Its bytes.', resolve: ({ object }) => object.size }),
    lastModified: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it was last changed; null = unknown.',
      resolve: ({ object }) => object.lastModified,
    }),
    taken: t.boolean({ description: 'Whether a sync would import it.', resolve: ({ rule }) => rule === null }),
    rule: t.field({
      type: FilterRuleRef,
      nullable: true,
      description: 'What leaves it out; null = it is taken.',
      resolve: ({ rule }) => rule as FilterRule | null,
    }),
  }),
})

const ObjectPreviewRef = builder.objectRef<Preview>('ObjectPreview').implement({
  description: 'The first objects that a sync would list. Nothing was stored.',
  fields: (t) => ({
    prefix: t.exposeString('prefix', {
      description: 'What the keys start with. A folder that is listed for itself has its slash.',
    }),
    objects: t.expose('objects', {
      type: [PreviewedObjectRef],
      description: 'The objects, in the order of the listing.',
    }),
    takenCount: t.int({
      description: 'How many of them a sync would import.',
      resolve: ({ objects }) => objects.filter(({ rule }) => rule === null).length,
    }),
    isComplete: t.exposeBoolean('isComplete', { description: 'Whether these are all there are.' }),
  }),
})

builder.queryFields((t) => ({
  previewObjects: t.field({
    extensions: { cost: 5_000 },
    type: ObjectPreviewRef,
    description:
      'What a sync would take and leave, and the rule that decided. Looks at the first objects, writes nothing.',
    args: {
      input: t.arg({ type: PreviewObjectsInput, required: true, description: 'Where to look, and by which settings.' }),
      first: t.arg.int({ description: 'How many objects, at most 1,000. Default: 50.' }),
    },
    resolve: (_root, { input: { id, projectId, ...settings }, first }, { storages }) => {
      if (!id === !projectId) throw new ValidationError([{ path: 'input', message: 'name either id or projectId' }])
      const target = id ? { id: idOf('ImportStorage', id) } : { project: idOf('Project', projectId!) }
      return previewObjects(storages, target, { input: settingsOf(settings), first: first ?? 50 })
    },
  }),
}))
