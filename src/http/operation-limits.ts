import {
  type ExecutionArgs,
  type ExecutionResult,
  GraphQLError,
  getOperationAST,
  Kind,
  OperationTypeNode,
} from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { SluiceError, ValidationError } from '../errors.ts'
import { inRequestScope } from '../security/request-scope.ts'
import { measureOperation } from './operation-size.ts'
import { createTokenTurns } from './token-turns.ts'

/** Limits of one operation, and of one token. */
export interface OperationLimits {
  /** Upper estimate of the fields in a response. */
  maxCost: number
  /** Seconds that a query or mutation may take. */
  operationSeconds: number
  /** Seconds that one SQL statement of an operation may take. */
  statementSeconds: number
  /** Queries and mutations of one token that this process executes at the same time. */
  perToken: number
}

interface LimitedContext {
  viewer?: { id: string }
}

/**
 * Refuses operations that cost too much before they are executed. Limits the time of the others and their number per token.
 * HTTP, SSE and WebSocket have the same limits. Tokens take turns, see `createTokenTurns`. The extension `maxSeconds` of a root
 * field raises its time limit.
 */
export function limitOperations(limits: OperationLimits): Plugin {
  const turns = createTokenTurns()
  const refuse = ({ schema, document, operationName, variableValues }: ExecutionArgs): GraphQLError | undefined => {
    const size = measureOperation({ schema, document, operationName, variables: variableValues ?? {} })
    if (size && size.faults.length > 0) return asGraphql(new ValidationError(size.faults))
    if (size && size.cost > limits.maxCost) {
      const message = `The operation has a cost of ${size.cost} (about as many values); the limit is ${limits.maxCost}. Request smaller pages, or fewer lists inside of lists.`
      return asGraphql(new SluiceError('COST_LIMIT', message), { cost: size.cost, maxCost: limits.maxCost })
    }
    return undefined
  }
  return {
    onExecute({ args, executeFn, setExecuteFn, setResultAndStopExecution }) {
      const error = refuse(args)
      if (error) return void setResultAndStopExecution({ errors: [error] })
      const execute: (args: ExecutionArgs) => Promise<ExecutionResult> = executeFn
      setExecuteFn(async (given: ExecutionArgs) => {
        const token = (given.contextValue as LimitedContext | undefined)?.viewer?.id ?? ''
        if (turns.count(token) >= limits.perToken) return { errors: [tooMany(limits.perToken)] }
        const done = await turns.acquire(token)
        return withTimeLimit(limits, given, execute, done)
      })
    },
    onSubscribe({ args, setResultAndStopExecution }) {
      const error = refuse(args)
      if (error) setResultAndStopExecution({ errors: [error] })
    },
  }
}

/**
 * Executes an operation. When the time limit expires, it returns an error at once. The operation counts as running until
 * everything that it started has ended; then `done` is called.
 */
async function withTimeLimit(
  limits: OperationLimits,
  args: ExecutionArgs,
  execute: (args: ExecutionArgs) => Promise<ExecutionResult>,
  done: () => void,
): Promise<ExecutionResult> {
  const longer = maxSecondsOf(args)
  const seconds = longer ?? limits.operationSeconds
  const controller = new AbortController()
  const error = new SluiceError(
    'OPERATION_TIMEOUT',
    `The operation took longer than ${seconds} seconds and was stopped.`,
  )
  const timeout = Promise.withResolvers<ExecutionResult>()
  const timer = setTimeout(() => {
    controller.abort(error)
    timeout.resolve({ errors: [asGraphql(error)] })
  }, seconds * 1_000)
  const scope = { statementMs: (longer ?? limits.statementSeconds) * 1_000, signal: controller.signal }
  const result = (async () => inRequestScope(scope, () => execute(args)))()
  result.then(done, done)
  try {
    return await Promise.race([result, timeout.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** The longest `maxSeconds` of the root fields of a mutation. Undefined if none has one. */
function maxSecondsOf({ schema, document, operationName }: ExecutionArgs): number | undefined {
  const operation = getOperationAST(document, operationName)
  if (operation?.operation !== OperationTypeNode.MUTATION) return undefined
  const fields = schema.getMutationType()!.getFields()
  const seconds = operation.selectionSet.selections.map((node) =>
    node.kind === Kind.FIELD ? Number(fields[node.name.value]?.extensions.maxSeconds ?? 0) : 0,
  )
  return Math.max(...seconds) || undefined
}

function tooMany(limit: number): GraphQLError {
  const message = `This token has ${limit} operations in progress, which is the limit. Wait until some have ended.`
  return asGraphql(new SluiceError('TOO_MANY_OPERATIONS', message), { limit }, { 'Retry-After': '1' })
}

function asGraphql(error: SluiceError, more: object = {}, headers: Record<string, string> = {}): GraphQLError {
  const { code, message, status } = error
  const faults = error instanceof ValidationError ? { fieldErrors: error.fieldErrors } : {}
  return new GraphQLError(message, { extensions: { code, ...faults, ...more, http: { status, headers } } })
}
