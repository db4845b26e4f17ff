export { type Client, type ClientOptions, createClient, type SubscribeOptions } from './client.ts'
export type { TypedDocument } from './document.ts'
export { ApiError, ConnectionError, successOf } from './errors.ts'
export * from './generated/graphql.ts'
