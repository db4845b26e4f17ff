import { type Logger, pino } from 'pino'

export type { Logger }

/** A JSON-lines logger on standard error. Fields that can hold a secret are blanked wherever they appear one or two levels deep. */
export function createLogger(level: string): Logger {
  const secret = ['secrets', 'token', 'authorization', 'password', 'secretAccessKey', 'sessionToken', 'accessKeyId']
  return pino(
    { level, base: undefined, redact: { paths: secret.flatMap((name) => [name, `*.${name}`]), censor: '[secret]' } },
    pino.destination({ dest: 2, sync: true }),
  )
}
