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
import { createYoga, type Plugin } from 'graphql-yoga'
import { diskFullMessage, isDiskFull, SluiceError, TooManyWrongTokensError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import { codeOf } from '../unknown.ts'
import type { GuessLimit } from './guess-limit.ts'
import { refuseNul } from './nul.ts'
import { limitOperations, type OperationLimits } from './operation-limits.ts'
import { limitBodies } from './request-body.ts'
import { cleanResult, hideSuggestions, withoutSuggestion } from './suggestions.ts'

/** Dependencies of the GraphQL endpoint. */
export interface GraphqlDeps {
  schema: GraphQLSchema
  /** Runs a subscription. A result with `stringify` is serialized by that function. */
  subscribe: (args: ExecutionArgs) => Promise<ExecutionResult | AsyncIterable<ExecutionResult>>
  /** Creates the context of an operation from the value of its Authorization header. Throws UNAUTHENTICATED. */
  authenticate: (authorization: string | null) => Promise<object>
  guessLimit: GuessLimit
  /** Answer introspection queries, and suggest names of the schema in errors. */
  introspection: boolean
  /** Called after a mutation was executed, before the response is sent. */
  onMutated: () => void
  limits: OperationLimits
  logger: Logger
}

/** The WebSocket server has no HTTP request per operation, so it passes the context of the operation itself. */
export interface ServerContext {
  operationContext: object
}

/** GraphQL over HTTP and SSE. The WebSocket server uses its parse, validate and execute functions, too. */
export function createGraphql(deps: GraphqlDeps) {
  const { schema, subscribe, authenticate, guessLimit, introspection, onMutated, limits, logger } = deps
  // Authentication comes first, because parse and validation errors would disclose the schema.
  const authenticateFirst: Plugin<object, Partial<ServerContext> & { req: IncomingMessage }> = {
    async onRequestParse({ request, serverContext: context }) {
      context.operationContext = await guessLimit.run(context.req, () =>
        authenticate(request.headers.get('authorization')),
      )
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
  const notifyOfMutations: Plugin = {
    onExecute: ({ args: { document, operationName } }) =>
      getOperationAST(document, operationName)?.operation === OperationTypeNode.MUTATION
        ? { onExecuteDone: onMutated }
        : undefined,
  }
  return createYoga<Partial<ServerContext>, object>({
    schema,
    logging: false,
    landingPage: false,
    healthCheckEndpoint: '/health',
    cors: false,
    multipart: false,
    graphiql: false,
    context: async (initial) => initial.operationContext,
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
        // Its cost limit ignores variables; limitOperations counts them.
        costLimit: { enabled: false },
        blockFieldSuggestion: { enabled: false },
      }),
      withoutIntrospection,
      withSubscribe,
      notifyOfMutations,
      refuseNul,
      limitOperations(limits),
      limitBodies(),
      ...(introspection ? [] : [hideSuggestions]),
    ],
  })
}

/** Options of `maskError`. */
type MaskOptions = Pick<GraphqlDeps, 'logger' | 'introspection'>

/** Extensions with the HTTP status and headers of a missing or wrong token (401) and of a reached limit (429). */
function httpOf(fault: SluiceError): object {
  if (fault instanceof TooManyWrongTokensError) {
    const { retryAfterSeconds } = fault
    return { retryAfterSeconds, http: { status: 429, headers: { 'Retry-After': String(retryAfterSeconds) } } }
  }
  if (fault.code === 'UNAUTHENTICATED') return { http: { status: 401 } }
  return fault.status === 429 ? { http: { status: 429, headers: { 'Retry-After': '1' } } } : {}
}

/** Expected errors keep their message and get their code. Others are logged with an id, and the client sees only the id. */
export function maskError(error: unknown, { logger, introspection }: MaskOptions): GraphQLError {
  const original = error instanceof GraphQLError ? error.originalError : error
  if (isStatementTimeout(original)) return maskError(new SluiceError('OPERATION_TIMEOUT'), { logger, introspection })
  const { nodes, path } = error instanceof GraphQLError ? error : { nodes: undefined, path: undefined }
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
  logger.error({ err: original, faultId: id, path }, 'unexpected error in GraphQL')
  return new GraphQLError(isDiskFull(original) ? diskFullMessage : 'An internal error occurred.', {
    nodes,
    path,
    extensions: { code: 'INTERNAL', faultId: id },
  })
}

/** PostgreSQL's query_canceled, which `statement_timeout` raises (PostgreSQL manual, appendix A). */
const isStatementTimeout = (error: unknown) => codeOf(error) === '57014'

/** Removes the value from the message about a variable of the wrong type: graphql-js prints it, and it may contain secrets. */
function withoutValue(message: string): string {
  if (!/^Variable "\$\w+" got invalid value /.test(message)) return message
  const plain = message.replace(/( cannot represent [^:]*value): [\s\S]*$/, '$1.')
  // graphql-js writes the last ` at "…"` in the message. Everything before it may be part of the value.
  const [, place] = / got invalid value [\s\S]*( at "[\w.[\]]+"; )/.exec(plain) ?? []
  const end = plain.lastIndexOf(place ?? '; ')
  return `${plain.slice(0, plain.indexOf(' got invalid value '))} got an invalid value${plain.slice(end)}`
}
