import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type GraphqlClient } from '@sluice/testkit/client.ts'
import { type S3Server, startS3 } from '@sluice/testkit/s3.ts'
import { type App, startApp } from '../src/app.ts'
import { readConfig } from '../src/config.ts'

/** What is measured: the real app with an embedded PostgreSQL that survives power cuts, and an S3 emulator of its own process. */
export interface Stage {
  app: App
  client: GraphqlClient
  s3: S3Server
  readConcurrency: number
  stop(): Promise<void>
}

/** A data folder that is gone after `work`. */
export async function withDataFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  // As root, PostgreSQL runs as another user, who must be able to enter.
  chmodSync(folder, 0o755)
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Starts app and emulator, with the settings that an installation has unless it changes them. */
export async function setStage(dataDir: string): Promise<Stage> {
  const token = randomBytes(24).toString('base64url')
  const config = readConfig({ PORT: '0', DATA_DIR: dataDir, ADMIN_TOKEN: token })
  const app = await startApp(config)
  const s3 = await startS3()
  const client = createClient(app.url, token)
  return {
    app,
    client,
    s3,
    readConcurrency: config.READ_CONCURRENCY,
    async stop() {
      await client.close()
      await app.stop()
      await s3.stop()
    },
  }
}
