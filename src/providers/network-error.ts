import { type ErrorCode, SluiceError } from '../errors.ts'
import { fieldsOf } from '../unknown.ts'
import { tableOf } from './table.ts'

const codes = tableOf<ErrorCode>({
  ENOTFOUND: 'UNRESOLVABLE_HOST',
  EAI_AGAIN: 'UNRESOLVABLE_HOST',
  ECONNREFUSED: 'CONNECTION_REFUSED',
  ETIMEDOUT: 'TIMEOUT',
  ESOCKETTIMEDOUT: 'TIMEOUT',
  TimeoutError: 'TIMEOUT',
  ECONNRESET: 'UNREACHABLE',
  EPIPE: 'UNREACHABLE',
  EHOSTUNREACH: 'UNREACHABLE',
  ENETUNREACH: 'UNREACHABLE',
  EPROTO: 'TLS_FAILED',
  // Node's HTTP clients: the head of the response is too long.
  HPE_HEADER_OVERFLOW: 'REMOTE_RESPONSE_TOO_LARGE',
  UND_ERR_HEADERS_OVERFLOW: 'REMOTE_RESPONSE_TOO_LARGE',
})

/** The SluiceError for a network error of any SDK. Undefined if it is not a network error. */
export function networkError(error: unknown): SluiceError | undefined {
  for (const at of [error, fieldsOf<'cause'>(error).cause]) {
    const { code, name, message } = fieldsOf<'code' | 'name' | 'message'>(at)
    const text = String(code ?? '')
    if (text === 'BLOCKED_ADDRESS') {
      // The egress layer refused the connection. Clients wrap its error, but keep its code and message.
      return new SluiceError(text, String(message ?? '').replace(/^.* reason: /s, ''), { cause: error })
    }
    if (/CERT|_TLS_|^ERR_SSL|SELF_SIGNED|UNABLE_TO_VERIFY/.test(text))
      return new SluiceError('TLS_FAILED', undefined, { cause: error })
    const known = codes[text] ?? codes[String(name ?? '')]
    if (known) return new SluiceError(known, undefined, { cause: error })
  }
  return undefined
}
