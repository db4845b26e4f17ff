import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Client, createClient } from '@sluice/client'
import { type S3Server, startS3 } from '@sluice/testkit/s3.ts'
import { type App, startApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { bucket, type Folder } from './objects.ts'

/** What the demo plays on: a Sluice with an embedded PostgreSQL, and a bucket with objects. */
export interface Stage {
  app: App
  s3: S3Server
  /** Speaks to the GraphQL API over HTTP and WebSocket, as any client does. */
  client: Client
  token: string
  dataDir: string
  /** Stops both servers, and removes the data folder unless it was named. */
  stop(): Promise<void>
}

/**
 * Starts both servers and fills the bucket. The bucket's server keeps its objects in memory only, so a named `dataDir`
 * remembers its port: the bucket is found at the same place when the demo runs there again.
 */
export async function setStage(folders: Folder[], dataDir: string | undefined): Promise<Stage> {
  const stops: (() => unknown)[] = []
  const stop = async () => {
    for (const end of stops.splice(0).reverse()) await end()
  }
  try {
    const folder = dataDir === undefined ? mkdtempSync(join(tmpdir(), 'sluice-demo-')) : resolve(dataDir)
    if (dataDir === undefined) {
      stops.push(() => rmSync(folder, { recursive: true, force: true }))
      // As root, PostgreSQL runs as another user, who must be able to enter.
      chmodSync(folder, 0o755)
    }
    const s3 = await startBucket(folder)
    stops.push(s3.stop)
    await s3.createBucket(bucket)
    for (const { objects } of folders) {
      await s3.putMany(
        bucket,
        [...objects].map(([key, body]) => ({ key, body })),
      )
    }
    const token = randomBytes(24).toString('base64url')
    const app = await startApp(readConfig({ PORT: '0', DATA_DIR: folder, ADMIN_TOKEN: token }), {
      throwAway: dataDir === undefined,
    })
    stops.push(app.stop)
    const client = createClient({ url: app.url, token })
    stops.push(client.close)
    return { app, s3, client, token, dataDir: folder, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function startBucket(folder: string): Promise<S3Server> {
  mkdirSync(folder, { recursive: true })
  const memory = join(folder, 'demo-bucket.port')
  const port = existsSync(memory) ? Number(readFileSync(memory, 'utf8')) : 0
  const s3 = await startS3({ port }).catch((cause) => {
    throw new Error(
      `Port ${port}, where this folder has its bucket, cannot be opened. Is a demo still running on it?`,
      {
        cause,
      },
    )
  })
  writeFileSync(memory, String(s3.port))
  return s3
}
