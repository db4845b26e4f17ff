/** Why a Parquet file cannot be read, in our own words: the message may be shown to the public. */
export class ParquetFault extends Error {
  readonly code: 'BROKEN_PARQUET' | 'UNSUPPORTED_PARQUET' | 'ENCRYPTED_PARQUET' | 'TASK_TOO_LARGE' | 'BAD_COLUMN_NAMES'
  constructor(message: string, code: ParquetFault['code'] = 'BROKEN_PARQUET') {
    super(message)
    this.name = 'ParquetFault'
    this.code = code
  }
}
