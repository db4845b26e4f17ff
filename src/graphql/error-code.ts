import { errorTable } from '../errors/table.ts'
import type { ErrorCode } from '../errors.ts'
import { builder } from './builder.ts'

/** Enum of all error codes. */
export const ErrorCodeRef = builder.enumType('ErrorCode', {
  description: 'Stable codes of errors and issues, for programs.',
  values: Object.fromEntries(
    Object.entries(errorTable).map(([code, { message }]) => [code, { description: message }]),
  ) as Record<ErrorCode, { description: string }>,
})
