import { randomUUID } from 'node:crypto'
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
import { SluiceError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import { refuseNul } from './nul.ts'
import { limitOperations, type OperationLimits } from './operation-limits.ts'
import { limitBodies } from './request-body.ts'

/** What the GraphQL door needs to know. */
export interface GraphqlDoor {
  schema: GraphQLSchema
  /** Runs a subscription; a result with `stringify` knows its own JSON. */
  subscribe: (args: ExecutionArgs) => Promise<ExecutionResult | AsyncIterable<ExecutionResult>>
  /** Makes the context of an operation from the value of its Authorization header; throws UNAUTHENTICATED. */
  enter: (authorization: string | null) => Promise<object>
  graphiql: boolean
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

const startQuery = `# Every operation needs an API token: put it into the headers below.
{
  viewer { name }
  projects { edges { node { id title } } }
}
`

/** GraphQL over HTTP and SSE; its parse, validate and execute serve the WebSocket door, too. */
export function createGraphql(door: GraphqlDoor) {
  const { schema, subscribe, enter, graphiql, introspection, onMutated, limits, logger } = door
  const withoutIntrospection: Plugin = {
    onValidate: ({ addValidationRule }) => {
      if (!introspection) addValidationRule(NoSchemaIntrospectionCustomRule)
    },
  }
  const withSubscribe: Plugin = {
    onSubscribe: ({ setSubscribeFn }) => setSubscribeFn(subscribe),
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
    // It is 50 MiB, which few processes ever show to anybody.
    renderGraphiQL: async (options) => (await import('@graphql-yoga/render-graphiql')).renderGraphiQL(options),
    graphiql: graphiql && {
      title: 'Sluice',
      defaultQuery: startQuery,
      headers: '{ "Authorization": "Bearer <token>" }',
      subscriptionsProtocol: 'GRAPHQL_SSE',
    },
    context: async (initial) => {
      const { entered, request } = initial as Entered & YogaInitialContext
      return entered ?? enter(request.headers.get('authorization'))
    },
    maskedErrors: { maskError: (error) => maskError(error, logger) },
    plugins: [
      // A request with one of these headers cannot come from a foreign page without a preflight.
      useCSRFPrevention({ requestHeaders: ['authorization', 'x-graphql-yoga-csrf'] }),
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
    ],
  })
}

/** Expected faults keep their words and get their code; all others are logged under an id, and only the id is shown. */
export function maskError(error: unknown, logger: Logger): GraphQLError {
  const original = error instanceof GraphQLError ? error.originalError : error
  if (isStatementTimeout(original)) return maskError(new SluiceError('OPERATION_TIMEOUT'), logger)
  const { nodes, path } = (error instanceof GraphQLError ? error : {}) as Partial<GraphQLError>
  if (original instanceof SluiceError) {
    const fieldErrors = 'fieldErrors' in original ? { fieldErrors: original.fieldErrors } : {}
    const http = original.code === 'UNAUTHENTICATED' ? { http: { status: 401 } } : {}
    return new GraphQLError(original.message, {
      nodes,
      path,
      extensions: { code: original.code, ...fieldErrors, ...http },
    })
  }
  if (error instanceof GraphQLError && (!original || original instanceof GraphQLError)) {
    const { extensions, source, positions } = error
    return new GraphQLError(withoutValue(error.message), { nodes, path, extensions, source, positions })
  }
  const id = randomUUID()
  logger.error({ err: original, faultId: id, path }, 'unexpected fault in GraphQL')
  return new GraphQLError('Something went wrong on our side.', {
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
