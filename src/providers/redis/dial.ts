import { createHash } from 'node:crypto'
import { Redis } from 'ioredis'
import { SluiceError } from '../../errors.ts'
import type { Egress } from '../../security/egress.ts'
import { toError } from '../../unknown.ts'
import { connectorOf } from './connector.ts'
import type { RedisLocation, RedisSecrets } from './location.ts'
import { limitReplies } from './reply-limits.ts'

const dialTimeoutMs = 5_000
const silenceTimeoutMs = 30_000

/** An open connection. It is authenticated and has selected the location's database. */
export interface Session {
  redis: Redis
  /** Identifies the run of the server; a restart changes it. Empty if the user lacks the permission for INFO. */
  serverRun: string
  /** Resolves when the connection has ended. */
  ended: Promise<void>
  /** Returns the socket error that caused the error of a command, or the error itself. */
  explain(error: unknown): unknown
}

/**
 * Connects, without retries. Destroys the socket when `signal` aborts, also later, and when it is silent for 30 seconds while a
 * reply `isAwaited`.
 */
export async function dial(
  place: RedisLocation,
  { password }: RedisSecrets,
  { egress, signal, isAwaited }: { egress: Egress; signal: AbortSignal; isAwaited: () => boolean },
): Promise<Session> {
  signal.throwIfAborted()
  const redis = new Redis({
    host: place.host,
    port: place.port,
    ...(place.tls && { tls: {} }),
    Connector: connectorOf(egress),
    lazyConnect: true,
    // Our own timeouts give clearer errors.
    connectTimeout: 0,
    // `greet` replaces the client's handshake, which warns on the console about a refused password, and continues in database 0
    // if SELECT is refused. RESP3 is not needed, and servers before version 6 do not support it.
    protocol: 2,
    disableClientInfo: true,
    enableReadyCheck: false,
    // `createConnection` retries. The client would retry forever, for each provider that is still referenced.
    retryStrategy: null,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
  })
  let socketFault: Error | undefined
  redis.on('error', (error) => {
    socketFault ??= error
  })
  const ended = new Promise<void>((resolve) => redis.once('end', resolve))
  const disconnect = () => {
    if (redis.status === 'end') return
    redis.disconnect()
    // The client would wait for the server, which may never reply.
    redis.stream?.destroy()
  }
  signal.addEventListener('abort', disconnect, { once: true })
  ended.then(() => signal.removeEventListener('abort', disconnect))

  const explain = (error: unknown) => {
    const isAnswer = error instanceof SluiceError || toError(error).name === 'ReplyError'
    return isAnswer ? error : (socketFault ?? error)
  }
  const slow = setTimeout(() => {
    // A server without TLS takes the ClientHello for the start of a command, and waits for the rest.
    const isGreetedInTls = place.tls && !redis.stream?.connecting && redis.status !== 'ready'
    const message = 'The server does not answer in TLS on this port.'
    redis.stream?.destroy(isGreetedInTls ? new SluiceError('TLS_FAILED', message) : new SluiceError('TIMEOUT'))
  }, dialTimeoutMs)
  try {
    await redis.connect()
    const waiting = redis as unknown as { commandQueue: { length: number } }
    limitReplies(redis.stream, () => waiting.commandQueue.length)
    redis.stream.setTimeout(silenceTimeoutMs, () => {
      if (isAwaited()) redis.stream.destroy(new SluiceError('TIMEOUT'))
    })
    const serverRun = await greet(redis, place, password)
    return { redis, serverRun, ended, explain }
  } catch (error) {
    disconnect()
    throw explain(error)
  } finally {
    clearTimeout(slow)
  }
}

/** Authenticates and selects the database, in one round trip. Returns `serverRun`. */
async function greet(redis: Redis, { username, db }: RedisLocation, password: string | undefined): Promise<string> {
  const commands = redis.pipeline()
  if (password !== undefined) username ? commands.auth(username, password) : commands.auth(password)
  commands.info('server')
  if (db !== 0) commands.select(db)
  const answers = (await commands.exec()) ?? []
  const [refusal] = password === undefined ? [] : answers.shift()!
  if (refusal) throw withoutSecret(refusal, password!)
  const [error, selected] = answers
  const [unknown, info] = error!
  if (unknown && !/^NOPERM|^ERR unknown command/.test(unknown.message)) throw unknown
  const about = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(String(info ?? ''))?.[1] ?? ''
  // A node of a cluster would list only its own part of the keys.
  if (['cluster', 'sentinel'].includes(about('redis_mode'))) throw new SluiceError('REDIS_CLUSTER')
  if (selected?.[0]) throw selected[0]
  const run = about('run_id')
  // Stored cursors contain the run. A hash identifies it as well, and does not store text of the server.
  return run === '' ? '' : createHash('sha256').update(run).digest('base64url').slice(0, 24)
}

/** The same error without the password in its message. A server that does not support AUTH quotes the arguments. */
function withoutSecret(refusal: Error, password: string): Error {
  const clean = new Error(refusal.message.replaceAll(password, '…'))
  clean.name = refusal.name
  return clean
}
