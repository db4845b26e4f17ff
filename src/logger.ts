import { findPackageJSON } from 'node:module'
import { dirname } from 'node:path'
import { DatabaseError } from 'pg'
import { type DestinationStream, type Logger, pino } from 'pino'

export type { Logger }

/**
 * Creates a JSON-lines logger, by default on standard error. Fields that can contain a secret are redacted on the first two
 * levels. Of an error it writes only messages of Sluice, fixed codes and positions in the code, because libraries put requests,
 * responses and bytes of remote servers into the messages and properties of their errors.
 */
export function createLogger(
  level: string,
  destination: DestinationStream = pino.destination({ dest: 2, sync: true }),
): Logger {
  const secret = ['secrets', 'token', 'authorization', 'password', 'secretAccessKey', 'sessionToken', 'accessKeyId']
  return pino(
    {
      level,
      base: undefined,
      redact: { paths: secret.flatMap((name) => [name, `*.${name}`]), censor: '[secret]' },
      serializers: { err: describe },
    },
    destination,
  )
}

const logMessage = Symbol.for('sluice.logMessage')
// Error classes of JavaScript. The name of a library's error can come from a response, so other names are not written.
const builtIn = new Set(['Error', 'TypeError', 'RangeError', 'SyntaxError', 'AggregateError'])

/** The parts of an error and its causes that may be logged, at most five errors. */
function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return typeof error === 'string' ? error : typeof error
  const causes: object[] = []
  for (let at = error.cause; at instanceof Error && causes.length < 4; at = at.cause) causes.push(describeOne(at))
  return { ...describeOne(error), ...(causes.length > 0 && { causes }) }
}

function describeOne(error: Error): object {
  const name = builtIn.has(error.name) || logMessage in error ? error.name : 'an error of a library'
  const lines = framesOf(error)
  const message = messageOf(error, placeIn(lines[0] ?? ''))
  const code = codeOf(error)
  const places = lines.flatMap((line) => placeIn(line) ?? [])
  return {
    name,
    ...(message !== undefined && { message }),
    ...(code !== undefined && { code }),
    ...(error instanceof DatabaseError && databaseDetail(error)),
    ...(places.length > 0 && { stack: places.join(' ← ') }),
  }
}

/** The message of a SluiceError, or of a plain Error from the code of Sluice or of the database client. Otherwise undefined. */
function messageOf(error: Error, maker: string | undefined): string | undefined {
  if (logMessage in error) return (error as unknown as Record<symbol, () => string>)[logMessage]!()
  const isPlain = Object.getPrototypeOf(error) === Error.prototype
  const isOurs = /^(?:src\/(?!providers\/)|node_modules\/pg(?:-pool|-protocol)?\/)/.test(maker ?? '')
  return isPlain && isOurs ? error.message : undefined
}

/** The lines of the stack after the message. Empty if the end of the message cannot be determined. */
function framesOf({ name, message, stack }: Error): string[] {
  if (typeof stack !== 'string') return []
  const head = message === '' ? name : `${name}: ${message}`
  const given = [head, `Error: ${message}`].find((text) => stack.startsWith(`${text}\n    at `))
  return given === undefined
    ? []
    : stack
        .slice(given.length + 1)
        .split('\n')
        .slice(0, 12)
}

const root = dirname(findPackageJSON(import.meta.url)!)

/**
 * The file of Sluice or of a package in a line of a stack, with line and column. A library can take the text of its stack from
 * a response. Therefore function names are omitted, and the path must begin with the folder of Sluice, which no response knows.
 */
function placeIn(line: string): string | undefined {
  const [, path = ''] = /(?:file:\/\/)?(\/[\w./@+-]+:\d+:\d+)\)?$/.exec(line) ?? []
  return path.startsWith(`${root}/`) ? path.slice(root.length + 1) : undefined
}

/** An error code of the system, Node or TLS. Other codes are dropped: libraries store codes of remote servers there, too. */
function codeOf(error: Error): string | undefined {
  const { code, errno }: NodeJS.ErrnoException = error
  if (logMessage in error) return code
  if (typeof code !== 'string') return undefined
  return knownCodes.has(code) || (typeof errno === 'number' && /^E[A-Z0-9]{2,14}$/.test(code)) ? code : undefined
}

/** Details of a PostgreSQL error without its message, which can quote values. */
function databaseDetail({ code, table, constraint, routine }: DatabaseError): object {
  return { code, table, constraint, routine }
}

const knownCodes = new Set(
  `EACCES EADDRINUSE EAI_AGAIN ECONNABORTED ECONNREFUSED ECONNRESET EHOSTUNREACH EMFILE ENETUNREACH ENOENT ENOSPC ENOTFOUND EPIPE
  EPROTO ETIMEDOUT ABORT_ERR CERT_HAS_EXPIRED CERT_NOT_YET_VALID DEPTH_ZERO_SELF_SIGNED_CERT ERR_INVALID_ARG_TYPE
  ERR_INVALID_URL ERR_STREAM_PREMATURE_CLOSE ERR_STREAM_WRITE_AFTER_END ERR_TLS_CERT_ALTNAME_INVALID HPE_CLOSED_CONNECTION
  HPE_HEADER_OVERFLOW HPE_INVALID_CONSTANT HPE_INVALID_CONTENT_LENGTH HPE_INVALID_HEADER_TOKEN SELF_SIGNED_CERT_IN_CHAIN
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY UNABLE_TO_VERIFY_LEAF_SIGNATURE`.split(/\s+/),
)
