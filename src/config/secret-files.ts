import { existsSync, readFileSync } from 'node:fs'
import { codeOf } from '../unknown.ts'

/** Settings that hold a secret: each of them can be given as a file, whose path is in `<NAME>_FILE`. */
export const secretSettings = [
  'DATABASE_URL',
  'DATABASE_SESSION_URL',
  'JOBS_URL',
  'SECRET_KEY',
  'ADMIN_TOKEN',
  'METRICS_TOKEN',
] as const

/**
 * Reads the files that `<NAME>_FILE` variables name, as containers get secrets. One line break at the end of a file is not
 * part of the value. An empty variable counts as unset.
 * @returns the values by setting, and one sentence for each setting that cannot be read. A sentence holds no content.
 */
export function readSecretFiles(env: Record<string, string | undefined>): {
  values: Record<string, string>
  faults: string[]
} {
  const values: Record<string, string> = {}
  const faults: string[] = []
  for (const name of secretSettings) {
    const path = env[`${name}_FILE`]
    if (!path) continue
    if (env[name]) {
      faults.push(`${name}_FILE: ${name} is set too; set only one of them`)
      continue
    }
    try {
      const value = readFileSync(path, 'utf8').replace(/\r?\n$/, '')
      if (value) values[name] = value
      else faults.push(`${name}_FILE: the file is empty`)
    } catch (error) {
      faults.push(`${name}_FILE: the file cannot be read (${codeOf(error)})`)
    }
  }
  return { values, faults }
}

/** Variables of the cloud SDKs and of PostgreSQL's client that name a file with credentials. */
const credentialFiles = [
  'GOOGLE_APPLICATION_CREDENTIALS',
  'AWS_SHARED_CREDENTIALS_FILE',
  'AWS_CONFIG_FILE',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE',
  'AZURE_FEDERATED_TOKEN_FILE',
  'AZURE_CLIENT_CERTIFICATE_PATH',
  'PGPASSFILE',
]

/**
 * Files from which this process takes secrets: those that variables name, and `.env` in the working directory. None of them may
 * become readable as an object of a storage.
 */
export function filesWithSecrets(env: Record<string, string | undefined>): string[] {
  const names = [...secretSettings.map((name) => `${name}_FILE`), ...credentialFiles]
  return [...names.flatMap((name) => env[name] || []), ...(existsSync('.env') ? ['.env'] : [])]
}
