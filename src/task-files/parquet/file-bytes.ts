/** Bytes of a file, by place. */
export interface FileBytes {
  byteLength: number
  /** May put them into `into`, from its beginning, and return that, where it is large enough. */
  slice(start: number, end?: number, into?: ArrayBuffer): Promise<ArrayBuffer>
}
