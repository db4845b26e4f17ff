import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inject } from 'vitest'
import { type App, startApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { createClient, type GraphqlClient } from './client.ts'
import { allowEmulators } from './egress.ts'
import { jobsSetting } from './jobs.ts'
import { admin, databaseUrl } from './postgres.ts'

/** A real app on a free port with a database of its own, and a client that is signed in. */
export interface TestApp extends App, GraphqlClient {
  token: string
  /** Folder below which local storages may be connected. */
  localRoot: string
  dataDir: string
  databaseUrl: string
  /** Stops the app, drops its database and folders. */
  stop(): Promise<void>
}

const adminToken = 'test-admin-token-0123456789'

/** SECRET_KEY of every test app. */
export const secretKey = 'test-secret-key-test-secret-key-test'

/** A fresh database, cloned from the migrated template. */
export async function createDatabase(): Promise<{ url: string; drop(): Promise<void> }> {
  const server = inject('postgres')
  const name = `test_${randomBytes(6).toString('hex')}`
  await admin(server, `create database ${name} template template_sluice`)
  return {
    url: databaseUrl(server, name),
    drop: () => admin(server, `drop database if exists ${name} with (force)`),
  }
}

/** Starts the app with `env` over the test's settings; `database` lets two apps share one. */
export async function startTestApp(env: Record<string, string> = {}, database?: { url: string }): Promise<TestApp> {
  const own = database ? undefined : await createDatabase()
  const url = database?.url ?? own!.url
  const dataDir = mkdtempSync(join(tmpdir(), 'sluice-app-'))
  const localRoot = mkdtempSync(join(tmpdir(), 'sluice-local-'))
  const config = readConfig({
    PORT: '0',
    DATABASE_URL: url,
    ...jobsSetting(url),
    DATA_DIR: dataDir,
    LOCAL_FILES_ROOT: localRoot,
    ADMIN_TOKEN: adminToken,
    SECRET_KEY: secretKey,
    LOG_LEVEL: 'error',
    STORAGE_IN_PROGRESS_TIMER: '0.5',
    // For an app that is not in local mode, such as one of several.
    ...allowEmulators,
    ...env,
  })
  const app = await startApp(config)
  const client = createClient(app.url, adminToken)
  return {
    ...app,
    ...client,
    token: adminToken,
    localRoot,
    dataDir,
    databaseUrl: url,
    async stop() {
      await client.close()
      await app.stop()
      await own?.drop()
      for (const folder of [dataDir, localRoot]) rmSync(folder, { recursive: true, force: true })
    },
  }
}
