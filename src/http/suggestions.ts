import { type ExecutionResult, GraphQLError } from 'graphql'
import type { Plugin } from 'graphql-yoga'

/**
 * Removes the suggestion of graphql-js, which discloses fields, types, arguments and enum values of the schema. It is always
 * at the end of the message: `… Did you mean "title"?`
 */
export function withoutSuggestion(message: string): string {
  const at = message.indexOf('Did you mean ')
  return at < 0 ? message : message.slice(0, at).trimEnd()
}

function clean(error: GraphQLError): GraphQLError {
  const message = withoutSuggestion(error.message)
  return message === error.message ? error : new GraphQLError(message, { ...error, originalError: error.originalError })
}

/** Removes suggestions from the errors of a result. */
export function cleanResult<Result extends ExecutionResult | AsyncIterable<ExecutionResult>>(result: Result): Result {
  if (!('errors' in result)) return result
  const { errors } = result
  return errors ? { ...result, errors: errors.map(clean) } : result
}

/** Removes suggestions from validation errors. */
export const hideSuggestions: Plugin = {
  onValidate:
    () =>
    ({ result, setResult }) => {
      setResult(result.map((error) => (error instanceof GraphQLError ? clean(error) : error)))
    },
}
