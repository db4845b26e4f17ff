import { type ErrorCode, SluiceError } from '../../errors.ts'
import { codeOf, fieldsOf, toError } from '../../unknown.ts'
import { remoteDetail } from '../kit/remote-detail.ts'
import { networkError } from '../network-error.ts'
import type { RedisLocation } from './location.ts'

/** Error replies of Redis by their text (redis.io, "ACL", "SELECT", "Redis cluster specification"; server.c of Redis 7). */
const replies: [RegExp, ErrorCode, ((place: RedisLocation, reply: string) => string)?, string?][] = [
  [/^NOAUTH/, 'BAD_CREDENTIALS', () => 'The server asks for a password.'],
  [/^WRONGPASS|^ERR invalid password/, 'BAD_CREDENTIALS', () => 'The server does not accept the password.'],
  [
    /no password is set|without any password configured/,
    'BAD_CREDENTIALS',
    () => 'The server has no password. Leave it empty, or set one on the server.',
  ],
  [
    /wrong number of arguments for 'auth'/i,
    'BAD_CREDENTIALS',
    () => 'The server knows no user names (Redis before version 6). Leave the user name empty.',
  ],
  [/^NOPERM/, 'DENIED', (_place, reply) => denied(reply)],
  [
    /^DENIED/,
    'DENIED',
    () => 'The server is in protected mode: it takes no connections from other machines.',
    'Set a password on the server (requirepass, or ACL SETUSER) and enter it, or turn its setting protected-mode off.',
  ],
  [
    /^READONLY/,
    'DENIED',
    () => 'The server is a replica, which takes no writes.',
    'Enter the host and port of its primary: INFO replication on the replica shows them as master_host and master_port. ' +
      'Imports can read from a replica.',
  ],
  [
    /DB index is out of range|invalid DB index/i,
    'NO_SUCH_BUCKET',
    ({ host, port, db }) =>
      `There is no database ${db} at ${host}:${port}. Its setting "databases" says how many it has.`,
  ],
  [/^WRONGTYPE/, 'WRONG_TYPE'],
  [/^(MOVED|ASK|CROSSSLOT|TRYAGAIN) |SELECT is not allowed in cluster mode/, 'REDIS_CLUSTER'],
  [/^LOADING/, 'UNREACHABLE', () => 'The server has just started and still loads its data.'],
  [
    /^MISCONF/,
    'UNREACHABLE',
    () => 'The server takes no writes, since it cannot save its data to its disk. The disk may be full.',
    'Free space on the disk of the Redis server, and look at its log; INFO persistence shows rdb_last_bgsave_status.',
  ],
  [/^(CLUSTERDOWN|MASTERDOWN|NOREPLICAS)/, 'UNREACHABLE', () => 'The server cannot serve requests now.'],
  [/^OOM/, 'THROTTLED', () => 'The memory of the server is full.', 'Remove keys, or raise maxmemory of the server.'],
  [/^BUSY/, 'THROTTLED', () => 'The server is busy with a script.'],
  [/max number of clients/, 'THROTTLED', () => 'The server has no room for another connection.'],
]

// The first words of error replies (redis.io, and the source of Redis 7) that our messages may quote.
const prefixes = new Set(
  `ASK BUSY BUSYGROUP CLUSTERDOWN CROSSSLOT DENIED ERR EXECABORT LOADING MASTERDOWN MISCONF MOVED NOAUTH NOGROUP NOPERM
  NOREPLICAS NOSCRIPT NOTBUSY OOM READONLY TRYAGAIN UNKILLABLE WRONGPASS WRONGTYPE`.split(/\s+/),
)

const detailOf = (reply: string) => remoteDetail({ code: /^\S*/.exec(reply)![0], known: prefixes })

const lost = /^Connection is closed|^Stream isn't writeable|connection close$/

/** Wraps an error of the client, once, at the edge of the provider. */
export function redisError(error: unknown, place: RedisLocation): SluiceError {
  if (error instanceof SluiceError) return error
  // The refused command of a transaction explains why the transaction failed.
  const { previousErrors } = fieldsOf<'previousErrors'>(error)
  const [first] = Array.isArray(previousErrors) ? previousErrors : []
  const cause = toError(first ?? error)
  // The client attaches the command and its arguments to its errors, including values and passwords.
  for (const at of [error, cause]) delete (at as { command?: unknown }).command
  const { name } = cause
  const message = cause.message.replace(/^EXECABORT .* because of: /, '')
  if (name === 'ReplyError') {
    const [, code = 'UNEXPECTED_ANSWER', explain, hint] = replies.find(([begins]) => begins.test(message)) ?? []
    return new SluiceError(code, explain?.(place, message), { cause, remote: detailOf(message), hint })
  }
  const foreign = /^Unknown RESP type (\d+)/.exec(message)?.[1]
  if (foreign) return foreignAnswer(Number(foreign), cause)
  if (/before secure TLS connection/.test(message)) return new SluiceError('TLS_FAILED', undefined, { cause })
  if (lost.test(message) || ['ECONNRESET', 'EPIPE'].includes(codeOf(cause) ?? '')) {
    return new SluiceError('UNREACHABLE', lostMessage(place), { cause })
  }
  return networkError(cause) ?? new SluiceError('UNEXPECTED_ANSWER', undefined, { cause })
}

function lostMessage({ tls }: RedisLocation): string {
  const message = 'The connection to the server was lost.'
  // A TLS port silently closes a connection that starts with anything else.
  return tls ? message : `${message} If this port speaks TLS, switch TLS on.`
}

/** The error for a reply whose first byte is not from the Redis protocol. */
function foreignAnswer(firstByte: number, cause: Error): SluiceError {
  // A TLS alert (RFC 8446 §5.1).
  if (firstByte === 21)
    return new SluiceError('TLS_FAILED', 'The server uses TLS on this port. Turn TLS on.', { cause })
  if (firstByte === 'H'.charCodeAt(0)) return new SluiceError('CONSOLE_URL', undefined, { cause })
  return new SluiceError('UNEXPECTED_ANSWER', 'The server at this address does not speak the Redis protocol.', {
    cause,
  })
}

// The commands that we send.
const commands = 'AUTH INFO SELECT SCAN STRLEN TYPE EXISTS GETRANGE SET DEL MULTI EXEC'.split(' ')

function denied(reply: string): string {
  const named = /run the '([\w|-]+)' command/.exec(reply)?.[1]?.toUpperCase()
  const command = commands.find((one) => one === named)
  if (named && !command) return 'The credentials are valid, but may not run a command that is needed.'
  return command
    ? `The credentials are valid, but may not run the command ${command}.`
    : 'The credentials are valid, but lack the permission for this key.'
}

/** Whether a command was refused because the key holds another type. */
export const isWrongType = ({ message }: Error): boolean => /^WRONGTYPE/.test(message)

/** Whether a refusal concerns only one key: it holds another type, or the user may not access it. */
export function concernsOneKey(error: Error): boolean {
  const { message } = error
  return isWrongType(error) || (/^NOPERM/.test(message) && !/run the '/.test(message))
}
