import { GraphQLError, type ValidationRule } from 'graphql'
import type { Plugin } from 'graphql-yoga'

const fault = (nodes?: GraphQLError['nodes']) =>
  new GraphQLError('A text must not hold a NUL character.', { nodes, extensions: { code: 'VALIDATION' } })

/** With a stack of its own: variables may be nested deeper than functions can be called. */
function holdsNul(value: unknown): boolean {
  const stack = [value]
  while (stack.length > 0) {
    const item = stack.pop()
    if (typeof item === 'string' && item.includes('\0')) return true
    if (typeof item === 'object' && item !== null) for (const inner of Object.values(item)) stack.push(inner)
  }
  return false
}

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
