import { GraphQLError, type ValidationRule } from 'graphql'
import type { Plugin } from 'graphql-yoga'

const fault = (nodes?: GraphQLError['nodes']) =>
  new GraphQLError('A text must not hold a NUL character.', { nodes, extensions: { code: 'VALIDATION' } })

const holdsNul = (value: unknown): boolean =>
  typeof value === 'string'
    ? value.includes('\0')
    : typeof value === 'object' && value !== null && Object.values(value).some(holdsNul)

const noNulInText: ValidationRule = (context) => ({
  StringValue: (node) => {
    if (holdsNul(node.value)) context.reportError(fault([node]))
  },
})

/** Refuses NUL characters in any input, once for all: no text of PostgreSQL can hold one. */
export const refuseNul: Plugin = {
  onValidate: ({ addValidationRule }) => {
    addValidationRule(noNulInText)
  },
  onExecute: ({ args, setResultAndStopExecution }) => {
    if (holdsNul(args.variableValues)) setResultAndStopExecution({ errors: [fault()] })
  },
  onSubscribe: ({ args, setResultAndStopExecution }) => {
    if (holdsNul(args.variableValues)) setResultAndStopExecution({ errors: [fault()] })
  },
}
