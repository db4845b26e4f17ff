import { parquetWriteBuffer } from 'hyparquet-writer'

/** Columns, schema and layout of a Parquet file, as hyparquet-writer takes them. */
export type Options = Parameters<typeof parquetWriteBuffer>[0]

/** The bytes of a Parquet file. */
export const written = (options: Options) => Buffer.from(parquetWriteBuffer(options))

/** A column; `type` is one of hyparquet-writer, such as `INT32`. */
export const column = (name: string, type: string, data: unknown[]) =>
  ({ name, type, data }) as Options['columnData'][number]
