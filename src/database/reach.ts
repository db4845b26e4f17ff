import pg from 'pg'
import { StartupError } from '../config.ts'
import { codeOf, toError } from '../unknown.ts'
import { connectionOf } from './open.ts'

/** The database of DATABASE_URL cannot be used. The message says why, without the password. */
class DatabaseUnusable extends StartupError {
  readonly exitCode = 69
}

const oldestVersion = 15
const timeoutMs = 10_000

/** Checks that a PostgreSQL of a supported version responds at `url` within 10 s. @throws DatabaseUnusable */
export async function reachDatabase(url: string): Promise<void> {
  const client = new pg.Client({ ...connectionOf(url), connectionTimeoutMillis: timeoutMs })
  client.on('error', () => {})
  const where = `The database of DATABASE_URL (${client.host}:${client.port}/${client.database})`
  let version: number
  try {
    await client.connect()
    const { rows } = await client.query('show server_version_num')
    version = Math.floor(Number(rows[0].server_version_num) / 10_000)
  } catch (cause) {
    throw new DatabaseUnusable(`${where} cannot be used: ${reasonOf(toError(cause))}.`, { cause })
  } finally {
    await client.end().catch(() => {})
  }
  if (version < oldestVersion) {
    throw new DatabaseUnusable(`${where} is PostgreSQL ${version}; Sluice needs ${oldestVersion} or newer.`)
  }
}

function reasonOf(error: Error): string {
  const code = codeOf(error)
  const known: Record<string, string> = {
    ECONNREFUSED: 'nothing listens there',
    ENOENT: 'there is no such socket',
    ENOTFOUND: 'its host name is unknown',
    EAI_AGAIN: 'its host name cannot be resolved now',
  }
  const silent = error.message.includes('timeout') ? `no answer within ${timeoutMs / 1_000} s` : undefined
  return known[code ?? ''] ?? silent ?? (error.message || code || error.name)
}
