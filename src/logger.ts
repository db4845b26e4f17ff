import { type DestinationStream, type Logger, pino } from 'pino'

export type { Logger }

/**
 * A JSON-lines logger, on standard error unless told otherwise. Fields that can hold a secret are blanked wherever they
 * appear one or two levels deep. Of an error come its words, code and stack only: libraries hang clients, requests and
 * answers on their errors, and secrets with them.
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
      serializers: { err: wordsOf },
    },
    destination,
  )
}

function wordsOf(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error)
  const messages: string[] = []
  for (let at: unknown = error; at instanceof Error && messages.length < 5; at = at.cause) messages.push(at.message)
  const { name, stack } = error
  return { name, message: messages.join(' ← '), code: (error as { code?: unknown }).code, stack }
}
