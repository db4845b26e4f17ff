import { type ErrorCode, ValidationError } from '../errors.ts'
import { printableKey } from '../providers/key-bytes.ts'
import { importSettings } from '../storage-settings/import.ts'
import type { FilterRule } from '../storages/object-filter.ts'
import { type Preview, previewObjects } from '../storages/preview.ts'
import { builder } from './builder.ts'
import { idOf } from './ids.ts'
import { StorageLocationInputRef } from './location.ts'
import { settingInputs } from './settings.ts'
import { settingsOf } from './storage-input.ts'

const PreviewObjectsInput = builder.inputType('PreviewObjectsInput', {
  description:
    'The import storage to preview: a saved one (id), a saved one with changes (id and settings), or a new one (projectId and settings).',
  fields: (t) => ({
    id: t.id({ description: 'Global id of a saved import storage. Give either `id` or `projectId`.' }),
    projectId: t.id({ description: 'Global id of the project of a new storage.' }),
    location: t.field({
      type: StorageLocationInputRef,
      description: 'Location of the objects, and the credentials for it.',
    }),
    ...settingInputs(t, importSettings, 'CHECK'),
  }),
})

const FilterRuleRef = builder.enumType('ImportFilterRule', {
  description: 'The rule that excludes an object from an import.',
  values: {
    FOLDER_MARKER: { description: 'The key ends with a slash and the object is empty: it marks a folder.' },
    SIDECAR: {
      description:
        'Another program wrote the file next to the data, such as _SUCCESS or .DS_Store, and `skipSidecars` is set.',
    },
    REGEX: { description: '`regexFilter` does not match the key.' },
    INCLUDE: { description: 'No pattern of `include` matches the key.' },
    EXCLUDE: { description: 'A pattern of `exclude` matches the key.' },
    TOO_SMALL: { description: 'The object has fewer bytes than `minBytes`.' },
    TOO_LARGE: { description: 'The object has more bytes than `maxBytes`.' },
    TOO_NEW: { description: 'The object changed less than `minAgeSeconds` ago.' },
    TOO_OLD: { description: 'The object changed more than `maxAgeSeconds` ago.' },
    SAMPLE: { description: 'The object is not in the sample.' },
    KEY_HAS_DOT_SEGMENTS: {
      description:
        'The key has a segment `.` or `..`, which Sluice does not send to this endpoint. A sync reports an issue.',
    },
    KEY_NOT_TEXT: { description: 'The key is not UTF-8. A sync reports an issue.' },
    KEY_TOO_LONG: { description: 'The key is too long. A sync reports an issue.' },
    WRONG_TYPE: { description: 'The value is a list, hash or another structure. A sync reports an issue.' },
    DENIED: {
      description:
        'The server may not read the folder or object. A sync reports an issue, and nothing below it counts as missing.',
    },
    UNREACHABLE: {
      description:
        'The storage failed to list this folder or object. A sync reports an issue, and nothing below it counts as missing.',
    },
  } satisfies Record<PreviewRule, { description: string }>,
})

type PreviewRule =
  | FilterRule
  | Extract<
      ErrorCode,
      'KEY_HAS_DOT_SEGMENTS' | 'KEY_NOT_TEXT' | 'KEY_TOO_LONG' | 'WRONG_TYPE' | 'DENIED' | 'UNREACHABLE'
    >

const PreviewedObjectRef = builder.objectRef<Preview['objects'][number]>('PreviewedObject').implement({
  description: 'An object in the listing, with the decision of the filters.',
  fields: (t) => ({
    key: t.string({ description: 'Key of the object.', resolve: ({ object }) => printableKey(object.key) }),
    size: t.field({
      type: 'SafeInt',
      description: 'Size of the object in bytes.',
      resolve: ({ object }) => object.size,
    }),
    lastModified: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'Modification time of the object. Null if unknown.',
      resolve: ({ object }) => object.lastModified,
    }),
    taken: t.boolean({ description: 'Whether a sync would import the object.', resolve: ({ rule }) => rule === null }),
    rule: t.field({
      type: FilterRuleRef,
      nullable: true,
      description: 'The rule that excludes the object. Null if a sync would import it.',
      resolve: ({ rule }) => rule as PreviewRule | null,
    }),
  }),
})

const ObjectPreviewRef = builder.objectRef<Preview>('ObjectPreview').implement({
  description: 'The first objects that a sync would list.',
  fields: (t) => ({
    prefix: t.exposeString('prefix', {
      description: 'The prefix that the preview lists. Without `recursive`, a folder ends with a slash.',
    }),
    objects: t.expose('objects', {
      type: [PreviewedObjectRef],
      description: 'The first objects, in the order of the listing.',
    }),
    takenCount: t.int({
      description: 'Number of these objects that a sync would import.',
      resolve: ({ objects }) => objects.filter(({ rule }) => rule === null).length,
    }),
    isComplete: t.exposeBoolean('isComplete', { description: 'Whether `objects` are all objects under the prefix.' }),
  }),
})

builder.queryFields((t) => ({
  previewObjects: t.field({
    extensions: { cost: 5_000 },
    type: ObjectPreviewRef,
    description:
      'Lists the first objects of a storage and shows which of them a sync would import, and which rule excludes the others. Saves nothing and reads no object.',
    args: {
      input: t.arg({ type: PreviewObjectsInput, required: true, description: 'The storage to preview.' }),
      first: t.arg.int({ description: 'Number of objects to list, from 1 to 1,000. Default: 50.' }),
    },
    resolve: (_root, { input: { id, projectId, ...settings }, first }, { storages }) => {
      if (!id === !projectId) throw new ValidationError([{ path: 'input', message: 'name either id or projectId' }])
      const target = id ? { id: idOf('ImportStorage', id) } : { project: idOf('Project', projectId!) }
      return previewObjects(storages, target, { input: settingsOf(settings), first: first ?? 50 })
    },
  }),
}))
