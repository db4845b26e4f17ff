import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { EnvelopArmorPlugin } from '@escape.tech/graphql-armor'
import { useCSRFPrevention } from '@graphql-yoga/plugin-csrf-prevention'
import {
  type ExecutionArgs,
  type ExecutionResult,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  NoSchemaIntrospectionCustomRule,
  OperationTypeNode,
} from 'graphql'
import { createYoga, type Plugin, type YogaInitialContext } from 'graphql-yoga'
import { diskFullWords, isDiskFull, SluiceError, TooManyWrongTokensError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { GuessLimit } from './guesses.ts'
import { refuseNul } from './nul.ts'
import { limitOperations, type OperationLimits } from './operation-limits.ts'
import { limitBodies } from './request-body.ts'
import { cleanResult, hideSuggestions, withoutSuggestion } from './suggestions.ts'

/** What the GraphQL door needs to know. */
export interface GraphqlDoor {
  schema: GraphQLSchema
  /** Runs a subscription; a result with `stringify` knows its own JSON. */
  subscribe: (args: ExecutionArgs) => Promise<ExecutionResult | AsyncIterable<ExecutionResult>>
  /** Makes the context of an operation from the value of its Authorization header; throws UNAUTHENTICATED. */
  enter: (authorization: string | null) => Promise<object>
  guesses: GuessLimit
  /** Answer introspection queries, and suggest names of the schema in errors. */
  introspection: boolean
  /** Is called when a mutation was executed, before it is answered. */
  onMutated: () => void
  limits: OperationLimits
  logger: Logger
}

/** The WebSocket door, which has no request, brings the context of an operation. */
export interface Entered {
  entered: object
}

/** GraphQL over HTTP and SSE; its parse, validate and execute serve the WebSocket door, too. */
export function createGraphql(door: GraphqlDoor) {
  const { schema, subscribe, enter, guesses, introspection, onMutated, limits, logger } = door
  // Authentication comes first: errors of parsing and validation would disclose the schema.
  const authenticateFirst: Plugin<Partial<Entered>> = {
    async onRequestParse({ request, serverContext }) {
      const context = serverContext as Partial<Entered> as Partial<Entered> & { req: IncomingMessage }
      context.entered = await guesses.guard(context.req, () => enter(request.headers.get('authorization')))
    },
  }
  const withoutIntrospection: Plugin = {
    onValidate: ({ addValidationRule }) => {
      if (!introspection) addValidationRule(NoSchemaIntrospectionCustomRule)
    },
  }
  const withSubscribe: Plugin = {
    onSubscribe: ({ setSubscribeFn }) =>
      setSubscribeFn(introspection ? subscribe : async (args: ExecutionArgs) => cleanResult(await subscribe(args))),
  }
  const tellOfMutations: Plugin = {
    onExecute: ({ args: { document, operationName } }) =>
      getOperationAST(document, operationName)?.operation === OperationTypeNode.MUTATION
        ? { onExecuteDone: onMutated }
        : undefined,
  }
  return createYoga<Partial<Entered>, object>({
    schema,
    logging: false,
    landingPage: false,
    healthCheckEndpoint: '/health',
    cors: false,
    multipart: false,
    graphiql: false,
    context: async (initial) => (initial as Entered & YogaInitialContext).entered,
    maskedErrors: { maskError: (error) => maskError(error, { logger, introspection }) },
    plugins: [
      // A request with one of these headers cannot come from a foreign page without a preflight.
      useCSRFPrevention({ requestHeaders: ['authorization', 'x-graphql-yoga-csrf'] }),
      authenticateFirst,
      EnvelopArmorPlugin({
        maxDepth: { n: 12 },
        maxAliases: { n: 30 },
        maxDirectives: { n: 50 },
        maxTokens: { n: 2_000 },
        // It ignores variables; limitOperations counts them.
        costLimit: { enabled: false },
        blockFieldSuggestion: { enabled: false },
      }),
      withoutIntrospection,
      withSubscribe,
      tellOfMutations,
      refuseNul,
      limitOperations(limits),
      limitBodies(),
      ...(introspection ? [] : [hideSuggestions]),
    ],
  })
}

/** How errors are shown. */
export type MaskOptions = Pick<GraphqlDoor, 'logger' | 'introspection'>

/** Status and headers of a response to a client that has not shown a valid token, or has used up its share. */
function httpOf(fault: SluiceError): object {
  if (fault instanceof TooManyWrongTokensError) {
    const { retryAfterSeconds } = fault
    return { retryAfterSeconds, http: { status: 429, headers: { 'Retry-After': String(retryAfterSeconds) } } }
  }
  if (fault.code === 'UNAUTHENTICATED') return { http: { status: 401 } }
  return fault.status === 429 ? { http: { status: 429, headers: { 'Retry-After': '1' } } } : {}
}

/** Expected faults keep their words and get their code; all others are logged under an id, and only the id is shown. */
export function maskError(error: unknown, { logger, introspection }: MaskOptions): GraphQLError {
  const original = error instanceof GraphQLError ? error.originalError : error
  if (isStatementTimeout(original)) return maskError(new SluiceError('OPERATION_TIMEOUT'), { logger, introspection })
  const { nodes, path } = (error instanceof GraphQLError ? error : {}) as Partial<GraphQLError>
  if (original instanceof SluiceError) {
    const fieldErrors = 'fieldErrors' in original ? { fieldErrors: original.fieldErrors } : {}
    const http = httpOf(original)
    return new GraphQLError(original.message, {
      nodes,
      path,
      extensions: { code: original.code, ...fieldErrors, ...http },
    })
  }
  if (error instanceof GraphQLError && (!original || original instanceof GraphQLError)) {
    const { extensions, source, positions } = error
    const message = withoutValue(error.message)
    return new GraphQLError(introspection ? message : withoutSuggestion(message), {
      nodes,
      path,
      extensions,
      source,
      positions,
    })
  }
  const id = randomUUID()
  logger.error({ err: original, faultId: id, path }, 'unexpected fault in GraphQL')
  return new GraphQLError(isDiskFull(original) ? diskFullWords : 'Something went wrong on our side.', {
    nodes,
    path,
    extensions: { code: 'INTERNAL', faultId: id },
  })
}

/** PostgreSQL's query_canceled, which `statement_timeout` raises (PostgreSQL manual, appendix A). */
const isStatementTimeout = (error: unknown) => (error as { code?: unknown } | undefined)?.code === '57014'

/** The words about a variable of the wrong type without its value, which graphql-js prints and which may hold secrets. */
function withoutValue(message: string): string {
  if (!/^Variable "\$\w+" got invalid value /.test(message)) return message
  const words = message.replace(/( cannot represent [^:]*value): [\s\S]*$/, '$1.')
  // The last place named is graphql-js's own: all before it may stem from the value.
  const [, place] = / got invalid value [\s\S]*( at "[\w.[\]]+"; )/.exec(words) ?? []
  const end = words.lastIndexOf(place ?? '; ')
  return `${words.slice(0, words.indexOf(' got invalid value '))} got an invalid value${words.slice(end)}`
}
