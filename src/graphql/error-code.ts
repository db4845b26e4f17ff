import { errorTable } from '../errors/table.ts'
import { mapRecord } from '../records.ts'
import { builder } from './builder.ts'

/** Enum of all error codes. */
export const ErrorCodeRef = builder.enumType('ErrorCode', {
  description: 'Stable codes of errors and issues, for programs.',
  values: mapRecord(errorTable, ({ message }) => ({ description: message })),
})
