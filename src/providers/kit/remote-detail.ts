import type { RemoteDetail } from '../../errors.ts'

/** Replaces error codes that are not on our list, because a server can write anything into a code. */
const unknownCode = 'an unknown code'

const windowLength = 8

/** The details of a response that may be shown: the status, `code` if it is `known`, and a request ID from `safeRequestId`. */
export function remoteDetail(options: {
  status?: number | undefined
  code?: unknown
  known: ReadonlySet<string>
  requestId?: string | undefined
}): RemoteDetail {
  const { status, code, known, requestId } = options
  const isStatus = Number.isInteger(status) && status! >= 100 && status! <= 599
  return {
    ...(isStatus && { status }),
    ...(code !== undefined &&
      code !== '' && { code: typeof code === 'string' && known.has(code) ? code : unknownCode }),
    ...(requestId !== undefined && { requestId }),
  }
}

/**
 * Returns the server's ID of a request if it is safe to show: at most 64 characters of `[A-Za-z0-9+/=._-]`, of which no
 * substring of 8 (or the whole ID, if it is shorter) occurs in the request. A server that mirrors requests could return our
 * token as the ID. `sent` is the text of the request: URL, headers and body.
 */
export function safeRequestId(id: unknown, sent: string): string | undefined {
  if (typeof id !== 'string' || !/^[A-Za-z0-9+/=._-]{1,64}$/.test(id)) return undefined
  const forms = [sent, decoded(sent)].map((text) => text.toLowerCase())
  const searched = id.toLowerCase()
  const width = Math.min(windowLength, searched.length)
  for (let at = 0; at + width <= searched.length; at++) {
    const part = searched.slice(at, at + width)
    if (forms.some((text) => text.includes(part))) return undefined
  }
  return id
}

function decoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (part) => Buffer.from(part.replaceAll('%', ''), 'hex').toString())
}
