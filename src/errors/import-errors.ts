import type { ErrorDefinition } from './definition.ts'

/** The error codes of task files, their rows and labels, and of objects that changed or are missing. */
export const importErrors = {
  NOT_JSON: { status: 422, retryable: false, message: 'The object is not valid JSON.' },
  NOT_A_TASK: { status: 422, retryable: false, message: 'A task must be a JSON object.' },
  LOOKS_LIKE_CSV: {
    status: 422,
    retryable: false,
    message:
      'The object looks like CSV. Give it a name that ends in .csv or .tsv, or convert it to JSON Lines or Parquet.',
  },
  BROKEN_GZIP: { status: 422, retryable: false, message: 'The gzip data is damaged or cut off.' },
  BROKEN_ZSTD: { status: 422, retryable: false, message: 'The zstd data is damaged or cut off.' },
  BROKEN_CSV: {
    status: 422,
    retryable: false,
    message: 'The CSV is damaged: a quote is not closed, or a row does not have as many fields as the header.',
  },
  BROKEN_PARQUET: {
    status: 422,
    retryable: false,
    message: 'The Parquet file is damaged.',
  },
  UNSUPPORTED_PARQUET: {
    status: 422,
    retryable: false,
    message: 'The Parquet file uses a codec, an encoding or a type that is not supported. Write it again without it.',
  },
  ENCRYPTED_PARQUET: {
    status: 422,
    retryable: false,
    message: 'The Parquet file is encrypted. Write it again without encryption.',
  },
  BAD_COLUMN_NAMES: {
    status: 422,
    retryable: false,
    message: 'Two columns have the same name, or a column has none. Give each column its own name.',
  },
  BINARY_IN_TASKS: {
    status: 422,
    retryable: false,
    message: 'The object is not text. To import files as they are, use the import method FILES.',
  },
  NOT_UTF8: { status: 422, retryable: false, message: 'The text is not UTF-8. Save it as UTF-8.' },
  TASK_TOO_LARGE: { status: 422, retryable: false, message: 'The task is larger than the limit.' },
  NAME_LEAVES_PREFIX: {
    status: 422,
    retryable: false,
    message: 'The name of the object would leave the prefix.',
  },
  OBJECT_CHANGED: {
    status: 409,
    retryable: false,
    message:
      'The object changed after it was imported. Its tasks were not updated. Set changedPolicy to UPDATE to replace their data.',
  },
  KEY_TAKEN: {
    status: 409,
    retryable: false,
    message:
      'The new key has a task that somebody has annotated, or that has other links. The object keeps its former key. Delete one of the two tasks, and relocate the links again.',
  },
  ROW_CHANGED: {
    status: 409,
    retryable: false,
    message:
      'The row of this task was changed or removed, and the task has annotations. It keeps its data and annotations. If rows have an identity, set rowKey, so that annotations follow their rows.',
  },
  ANNOTATION_CONFLICT: {
    status: 409,
    retryable: false,
    message:
      'The file has another label than it had, and somebody has changed or deleted that label here. The label here stays as it is.',
  },
  ANNOTATION_GONE: {
    status: 409,
    retryable: false,
    message:
      'The file no longer contains a label of this task. The label stays. To delete such labels, set missingPolicy to DELETE_UNANNOTATED.',
  },
  ROW_KEY_MISSING: {
    status: 422,
    retryable: false,
    message: 'The row has no value at the path rowKey of its storage, so it was not imported.',
  },
  ROW_KEY_REPEATED: {
    status: 422,
    retryable: false,
    message:
      'An earlier row of the object has the same value at the path rowKey of its storage, so this row was not imported.',
  },
  TOO_MANY_MISSING: {
    status: 409,
    retryable: false,
    message: 'More objects are missing than maxMissing allows. Nothing was flagged or deleted.',
  },
  NEW_ONLY_UNSUPPORTED: {
    status: 422,
    retryable: false,
    message:
      'NEW_ONLY needs a storage that can start a listing at a given key, and this one cannot. Use syncMode FULL.',
  },
  KEY_TOO_LONG: { status: 422, retryable: false, hasNoBytes: true, message: 'The key is too long to be imported.' },
  ENVELOPE_WITHOUT_DATA: {
    status: 422,
    retryable: false,
    message: 'The row has predictions or annotations, but no "data" object next to them.',
  },
  BAD_ENVELOPE: { status: 422, retryable: false, message: 'The predictions or annotations of a task are malformed.' },
  DATASET_IN_ONE_OBJECT: {
    status: 422,
    retryable: false,
    message:
      'The object is a whole data set. Set rowsPath of the storage to the list whose items become tasks, or to $ to import the object as one task.',
  },
  ROWS_NOT_FOUND: {
    status: 422,
    retryable: false,
    message: 'The object has no list at the rowsPath of the storage.',
  },
  INLINE_TOO_LARGE: {
    status: 422,
    retryable: false,
    message: 'A column of the row has more bytes than maxInlineBytes. It is null in the task.',
  },
  PREDICTION_IDS: {
    status: 422,
    retryable: false,
    message: 'The row has only the ids of predictions. The task was imported without its predictions.',
  },
  LABELS_IN_DATA: {
    status: 422,
    retryable: false,
    message: 'Predictions or annotations are inside "data". Move them next to it.',
  },
  CHECKSUM_MISMATCH: {
    status: 502,
    retryable: true,
    message:
      'The bytes do not have the checksum of the object: they were changed on the way, or in the storage. Try again, or write the object again.',
  },
  BODY_CUT: { status: 502, retryable: true, message: 'The connection ended before the whole object was read.' },
} as const satisfies Record<string, ErrorDefinition>
