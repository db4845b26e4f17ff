/** A GraphQL document that knows the types of its variables and of its result, as `npm run codegen` writes it. */
export interface TypedDocument<Result, Variables> {
  /** The text of the document. */
  toString(): string
  /** Carries the types; never called. */
  __apiType?: (variables: Variables) => Result
}

/** What a client sends to run a document. */
export interface Operation {
  query: string
  variables: Record<string, unknown>
}

/** Result of an operation, or one message of a subscription (GraphQL specification, "Response Format"). */
export interface ExecutionResult {
  data?: Record<string, unknown> | null
  errors?: readonly GraphqlError[]
}

/** One entry of `errors` in a response; Sluice writes these extensions. */
export interface GraphqlError {
  message: string
  extensions?: { code?: string; retryAfterSeconds?: number; fieldErrors?: { path: string; message: string }[] }
}
