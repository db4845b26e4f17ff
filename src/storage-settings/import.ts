import { z } from 'zod'
import { commonSettings } from './common.ts'
import { filters } from './filters.ts'
import { choice, flag, integer, text } from './kinds.ts'
import { maxMissing } from './missing.ts'

/** The settings of an import storage, in the order of its form. */
export const importSettings = {
  ...commonSettings,
  importMethod: choice({
    title: 'Import method',
    description:
      'Whether an object is one task or a file of tasks. While the storage has links, a change is refused (IMPORT_METHOD_IN_USE).',
    default: 'FILES',
    typeName: 'ImportMethod',
    typeDescription: 'How an import turns objects into tasks.',
    choices: {
      TASKS:
        'Each object is a task file, and each of its rows becomes a task. Formats: a JSON object or array of objects, JSON Lines, CSV and TSV (by name), all also packed with gzip or zstd, and Parquet.',
      FILES: 'Each object becomes one task, whose data holds the URI of the object.',
    },
  }),
  regexFilter: text({
    title: 'Regular expression',
    description:
      'Regular expression (RE2 syntax). The import includes only keys that match from their first character.',
    placeholder: 'photos/.*\\.jpg',
    null: 'every key',
    emptyIsNull: true,
  }),
  filters,
  recursive: flag({
    title: 'Subfolders',
    description: 'Whether the import includes folders below the prefix.',
    default: true,
  }),
  skipSidecars: flag({
    title: 'Skip sidecar files',
    description:
      'Whether the import excludes sidecar files, which other programs write next to the data: _SUCCESS, _metadata, _common_metadata, _started_*, _committed_*, .*.crc, .DS_Store, Thumbs.db.',
    default: true,
  }),
  hiveColumns: flag({
    title: 'Hive columns',
    description:
      'Whether the import adds each folder `name=value` of a key to the data of its tasks, as a text field. A field of the row with the same name takes precedence.',
    default: false,
  }),
  rowsPath: {
    ...text({
      title: 'Rows path',
      description:
        'Where the rows are in a task file that is one JSON object: the names that lead to a list, separated by dots, such as data, features or a.b. Each item of the list becomes a task. If the path leads to an object, such as _via_img_metadata, its values are the rows. $ imports the object as one task. Files of other formats, and files of several objects, are not affected.',
      placeholder: 'data',
      null: 'a file that is one object is one task, unless it is a data set of SQuAD, GeoJSON, VIA or COCO, which is the issue DATASET_IN_ONE_OBJECT',
      emptyIsNull: true,
    }),
    schema: z
      .string()
      .max(500, 'must have at most 500 characters')
      .regex(
        /^(?:\$|[^.[\]*$][^.[\]*]*(?:\.[^.[\]*]+)*)$/,
        'must be $, or names separated by dots, such as data or a.b',
      )
      .nullable(),
  },
  maxInlineBytes: integer({
    title: 'Inline bytes',
    description:
      'Maximum number of bytes of an image or sound in a Parquet column (struct<bytes, path>, as Hugging Face writes them) that becomes part of the task, as a data URL. Above it, the value is null, and the row has the issue INLINE_TOO_LARGE.',
    default: 262_144,
    minimum: 0,
    maximum: 33_554_432,
    maximumIs: '32 MiB',
  }),
  keepTimes: flag({
    title: 'Keep times',
    description:
      'Whether tasks, annotations and predictions keep `created_at` and `updated_at` of their file. A row with an impossible time is the issue BAD_ENVELOPE. If false, Sluice sets the time of the import.',
    default: true,
  }),
  rowKey: text({
    title: 'Row key',
    description:
      'Path into a row whose value identifies the row in its object, such as `id` or `data.id`. Then tasks and labels follow their rows when the object changes, whatever else changes in the row. A row without a value is the issue ROW_KEY_MISSING; a row that repeats a value is ROW_KEY_REPEATED. Only for `importMethod: TASKS`.',
    placeholder: 'id',
    null: 'rows are identified by their `id` beside `data`, then by their data',
    emptyIsNull: true,
  }),
  syncMode: choice({
    title: 'Sync mode',
    description: 'Where a sync starts to list the storage.',
    default: 'FULL',
    typeName: 'SyncMode',
    typeDescription: 'Where a sync starts to list the storage.',
    choices: {
      FULL: 'At the first key: the sync lists everything.',
      NEW_ONLY:
        'After the highest key that an earlier sync listed. For buckets whose new keys always sort last. Such a sync does not detect missing objects.',
    },
  }),
  missingPolicy: choice({
    title: 'Missing objects',
    description: 'What a sync does with tasks whose object is missing.',
    default: 'FLAG',
    typeName: 'MissingPolicy',
    typeDescription:
      'What a sync does with tasks whose object or row is missing: a complete listing does not contain the object, or the changed object (`changedPolicy: UPDATE`) no longer contains the row.',
    choices: {
      KEEP: 'Does not look for missing objects.',
      FLAG: 'Sets `objectExists` of their links to false. If the object appears again, the next sync sets it back to true.',
      DELETE_UNANNOTATED: 'Deletes tasks without annotations, and flags the links of the others as FLAG does.',
    },
  }),
  changedPolicy: choice({
    title: 'Changed objects',
    description: 'What a sync does with objects that changed since the import.',
    default: 'IGNORE',
    typeName: 'ChangedPolicy',
    typeDescription:
      'What a sync does with objects whose etag, size or modification time has changed since the import.',
    choices: {
      IGNORE: 'Does not look for changed objects.',
      UPDATE:
        'Reads the object again and replaces the data of its tasks. The tasks keep their ids and annotations. Rows are matched by `rowKey`, by their `id` beside `data`, by equal data, and by position if the task has no annotations. A task with annotations whose row has no match keeps its data: the issue ROW_CHANGED.',
      REPORT: 'Reports the issue OBJECT_CHANGED for each object. Its tasks stay as they are.',
    },
  }),
  detectMoves: flag({
    title: 'Detect moved objects',
    description:
      'Whether a complete listing recognizes moved objects: a new key with the etag, size and base name of exactly one missing object, or of one that is no longer below the prefix. Its tasks get the new key and keep their labels. Only for S3 and local files, where a copy has the same etag, and with a `missingPolicy` other than KEEP.',
    default: true,
  }),
  maxMissing,
  presign: flag({
    title: 'Presigned URLs',
    description:
      'Whether resolve links redirect to presigned URLs of the storage. If false, the server streams the bytes.',
    default: true,
  }),
  presignTtlMinutes: integer({
    title: 'Lifetime of presigned URLs',
    description: 'Lifetime of a presigned URL in minutes.',
    default: 15,
    minimum: 1,
    maximum: 10_080,
    maximumIs: 'a week',
  }),
  mediaTtlMinutes: integer({
    title: 'Lifetime of presigned URLs for players',
    description:
      'Lifetime in minutes of a presigned URL for a player of sound or video, and of the token in the link of a playlist or another file that names others (at least an hour, at most a day). A player uses the URL as long as it plays, so this should be longer than a person works on one task. If the credentials of the storage end sooner, the server streams the bytes instead.',
    default: 480,
    minimum: 1,
    maximum: 10_080,
    maximumIs: 'a week',
  }),
}
