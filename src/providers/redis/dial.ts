import { createHash } from 'node:crypto'
import { Redis } from 'ioredis'
import { SluiceError } from '../../errors.ts'
import type { Egress } from '../../security/egress.ts'
import { connectorOf } from './connector.ts'
import type { RedisLocation, RedisSecrets } from './location.ts'
import { limitReplies } from './reply-limits.ts'

const dialTimeoutMs = 5_000
const silenceTimeoutMs = 30_000

/** A connection that has been opened: authenticated, and in the location's database. */
export interface Session {
  redis: Redis
  /** Another one after each restart of the server; empty where the user may not ask for it (INFO). */
  serverRun: string
  /** Resolves when the connection has ended. */
  ended: Promise<void>
  /** The fault of the socket behind the error of a command, or the error itself. */
  explain(error: unknown): unknown
}

/**
 * Connects once, without another try. When `signal` aborts, then or later, the socket is destroyed; so is one on which no
 * byte moves for half a minute while an answer `isAwaited`.
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
    // Our own time limits tell more.
    connectTimeout: 0,
    // Our own greeting replaces the client's, which warns on the console about a refused password, and goes on in
    // database 0 when SELECT is refused. Nothing of RESP3 is needed, and servers before version 6 do not speak it.
    protocol: 2,
    disableClientInfo: true,
    enableReadyCheck: false,
    // Trying again is up to `createConnection`: the client would for ever, for each provider that somebody still holds.
    retryStrategy: null,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
  })
  let socketFault: Error | undefined
  redis.on('error', (error) => {
    socketFault ??= error
  })
  const ended = new Promise<void>((resolve) => redis.once('end', resolve))
  const hangUp = () => {
    if (redis.status === 'end') return
    redis.disconnect()
    // The client waits for a server that may never answer.
    redis.stream?.destroy()
  }
  signal.addEventListener('abort', hangUp, { once: true })
  ended.then(() => signal.removeEventListener('abort', hangUp))

  const explain = (error: unknown) => {
    const isAnswer = error instanceof SluiceError || (error as Error).name === 'ReplyError'
    return isAnswer ? error : (socketFault ?? error)
  }
  const slow = setTimeout(() => {
    // A server that does not know TLS takes the hello for the beginning of a command, and waits for the rest.
    const isGreetedInTls = place.tls && !redis.stream?.connecting && redis.status !== 'ready'
    const words = 'The server does not answer in TLS on this port.'
    redis.stream?.destroy(isGreetedInTls ? new SluiceError('TLS_FAILED', words) : new SluiceError('TIMEOUT'))
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
    hangUp()
    throw explain(error)
  } finally {
    clearTimeout(slow)
  }
}

/** Signs in and selects the database, in one round trip. The server's run id. */
async function greet(redis: Redis, { username, db }: RedisLocation, password: string | undefined): Promise<string> {
  const commands = redis.pipeline()
  if (password !== undefined) username ? commands.auth(username, password) : commands.auth(password)
  commands.info('server')
  if (db !== 0) commands.select(db)
  const answers = (await commands.exec()) as [Error | null, unknown][]
  const [refusal] = password === undefined ? [] : answers.shift()!
  if (refusal) throw withoutSecret(refusal, password!)
  const [asked, selected] = answers
  const [unknown, info] = asked!
  if (unknown && !/^NOPERM|^ERR unknown command/.test(unknown.message)) throw unknown
  const about = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(String(info ?? ''))?.[1] ?? ''
  // A node of a cluster would list its own share of the keys as if it were all.
  if (['cluster', 'sentinel'].includes(about('redis_mode'))) throw new SluiceError('REDIS_CLUSTER')
  if (selected?.[0]) throw selected[0]
  const run = about('run_id')
  // Cursors are stored with it: a hash says as much, and is none of the server's own words.
  return run === '' ? '' : createHash('sha256').update(run).digest('base64url').slice(0, 24)
}

/** The same error, whose text is known not to repeat the password: a server that does not know AUTH quotes its arguments. */
function withoutSecret(refusal: Error, password: string): Error {
  const clean = new Error(refusal.message.replaceAll(password, '…'))
  clean.name = refusal.name
  return clean
}
