import type { RemoteDetail } from '../../errors.ts'

/** Stands for an error code that is not on our list, since a server can write anything into it. */
export const unknownCode = 'an unknown code'

const windowLength = 8

/**
 * What may be disclosed of a response: the status, `code` if it is one of `known`, and a request id that `safeRequestId` let
 * pass.
 */
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
 * A server's id of a request, if it may be disclosed: at most 64 characters of `[A-Za-z0-9+/=._-]` of which no run of 8 (or
 * the whole, if it is shorter) occurs in what we sent. A server that mirrors requests could send our token back as its id.
 * `sent` is the text of the request: URL, headers and body.
 */
export function safeRequestId(id: unknown, sent: string): string | undefined {
  if (typeof id !== 'string' || !/^[A-Za-z0-9+/=._-]{1,64}$/.test(id)) return undefined
  const forms = [sent, decoded(sent)].map((text) => text.toLowerCase())
  const wanted = id.toLowerCase()
  const width = Math.min(windowLength, wanted.length)
  for (let at = 0; at + width <= wanted.length; at++) {
    const part = wanted.slice(at, at + width)
    if (forms.some((text) => text.includes(part))) return undefined
  }
  return id
}

function decoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (part) => Buffer.from(part.replaceAll('%', ''), 'hex').toString())
}
