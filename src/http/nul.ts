import { GraphQLError, type ValidationRule } from 'graphql'
import type { Plugin } from 'graphql-yoga'

const fault = (nodes?: GraphQLError['nodes']) =>
  new GraphQLError('A text must not contain a NUL character.', { nodes, extensions: { code: 'VALIDATION' } })

/** Uses an explicit stack, because variables may be nested deeper than the call stack allows. */
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

/** Refuses NUL characters in all input, because PostgreSQL cannot store them in text. */
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
