/** How requests reach the server, the same for all transports. */
export interface Connection {
  /** Address of the server without `/graphql`, such as `https://sluice.example.com`. */
  url: string
  /** API token, or a function that returns one for each connection. Absent: the browser's cookies authenticate. */
  token?: string | (() => string | Promise<string>)
  /** Which requests send cookies (Fetch standard, "credentials mode"). Default: same-origin. */
  credentials?: 'omit' | 'same-origin' | 'include'
  fetch?: typeof globalThis.fetch
  /** Default: the WebSocket of the platform, which Node has since version 22. */
  webSocketImpl?: unknown
}

export const endpointOf = ({ url }: Connection): string => `${url.replace(/\/+$/, '')}/graphql`

/** The value of the Authorization header; undefined without a token. */
export async function authorizationOf({ token }: Connection): Promise<string | undefined> {
  const value = typeof token === 'function' ? await token() : token
  return value === undefined ? undefined : `Bearer ${value}`
}

/** Headers of HTTP requests. The first one proves to the server that no foreign page sent a request with cookies. */
export async function headersOf(connection: Connection): Promise<Record<string, string>> {
  const authorization = await authorizationOf(connection)
  return { 'x-graphql-yoga-csrf': '1', ...(authorization !== undefined && { authorization }) }
}
