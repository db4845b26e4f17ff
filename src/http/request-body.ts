import { GraphQLError } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { errorTable } from '../errors/table.ts'
import type { ErrorCode } from '../errors.ts'
import { createJsonCounter } from '../security/json-size.ts'

/** Limits of the body of a GraphQL request. */
interface BodyLimits {
  maxBytes: number
  /** JSON values: object members and array items. */
  maxValues: number
  maxDepth: number
  /** Seconds before `minBytesPerSecond` applies. */
  graceSeconds: number
  minBytesPerSecond: number
}

const bodyLimits: BodyLimits = {
  maxBytes: 32 * 2 ** 20,
  maxValues: 500_000,
  maxDepth: 20_000,
  graceSeconds: 5,
  minBytesPerSecond: 1_024,
}

/**
 * Checks the limits while a request body is read, before it is parsed. A body that is too large is refused with 413
 * REQUEST_TOO_LARGE, one that arrives too slowly with 408 REQUEST_TIMEOUT. Both close the connection.
 */
export function limitBodies(limits: BodyLimits = bodyLimits): Plugin {
  return {
    onRequestParse({ request, requestParser, setRequestParser, fetchAPI }) {
      if (request.method !== 'POST' || !requestParser || !request.body) return
      setRequestParser(async () => {
        const body = await readBody(request.body as unknown as ReadableStream<Uint8Array>, limits)
        const { url, method, headers } = request
        return requestParser(new fetchAPI.Request(url, { method, headers, body }))
      })
    },
  }
}

async function readBody(stream: ReadableStream<Uint8Array>, limits: BodyLimits): Promise<string> {
  const reader = stream.getReader()
  const parts: Uint8Array[] = []
  const json = createJsonCounter()
  const since = performance.now()
  let bytes = 0
  let isSlow = false
  const watch = setInterval(() => {
    const seconds = (performance.now() - since) / 1_000
    if (seconds < limits.graceSeconds || bytes >= seconds * limits.minBytesPerSecond) return
    isSlow = true
    void reader.cancel().catch(() => {})
  }, 500)
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (isSlow)
        throw refusal('REQUEST_TIMEOUT', `The body arrived with less than ${limits.minBytesPerSecond} bytes a second.`)
      if (done) return Buffer.concat(parts).toString('utf8')
      bytes += value.byteLength
      if (bytes > limits.maxBytes)
        throw refusal('REQUEST_TOO_LARGE', `The body has more than ${limits.maxBytes} bytes.`)
      json.add(value, { values: limits.maxValues, depth: limits.maxDepth })
      const { values, depth } = json.size
      if (values > limits.maxValues)
        throw refusal('REQUEST_TOO_LARGE', `The body has more than ${limits.maxValues} JSON values.`)
      if (depth > limits.maxDepth)
        throw refusal('REQUEST_TOO_LARGE', `The body is nested more than ${limits.maxDepth} levels deep.`)
      parts.push(value)
    }
  } catch (error) {
    if (isSlow && !(error instanceof GraphQLError)) {
      throw refusal('REQUEST_TIMEOUT', `The body arrived with less than ${limits.minBytesPerSecond} bytes a second.`)
    }
    throw error
  } finally {
    clearInterval(watch)
  }
}

function refusal(code: ErrorCode, message: string): GraphQLError {
  const { status } = errorTable[code]
  return new GraphQLError(message, {
    extensions: { code, http: { status, headers: { Connection: 'close' } } },
  })
}
