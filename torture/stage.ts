import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { createClient, type GraphqlClient } from '@sluice/testkit/client.ts'
import { temporaryFolder } from '@sluice/testkit/launch.ts'
import { admin, databaseUrl, makeTemplate } from '@sluice/testkit/postgres.ts'
import { type S3Server, startS3 } from '@sluice/testkit/s3.ts'
import type pg from 'pg'
import { type App, startApp } from '../src/app.ts'
import { readConfig } from '../src/config.ts'
import { startEmbedded } from '../src/database/embedded.ts'
import { connectionOf } from '../src/database/open.ts'

/** Where rounds happen, one after the other: PostgreSQL, an S3 emulator, and a Sluice that nothing is done to. */
export interface Stage {
  s3: S3Server
  calm: { client: GraphqlClient; database: pg.ClientConfig }
  /** Folder for the workers. */
  folder: string
  /** A fresh migrated database, and the path of the socket that leads there. */
  createDatabase(): Promise<{
    name: string
    url: string
    connection: pg.ClientConfig
    socket: string
    drop(): Promise<void>
  }>
  stop(): Promise<void>
}

/** Starts it all. */
export async function setStage(): Promise<Stage> {
  const { path: folder, remove } = temporaryFolder('sluice-torture-')
  const [server, s3] = await Promise.all([startEmbedded({ dataDir: folder, throwAway: true }), startS3()])
  await makeTemplate(server.url)
  const create = async () => {
    const name = `torture_${randomBytes(6).toString('hex')}`
    await admin(server.url, `create database ${name} template template_sluice`)
    // A process that dies loses nothing that is committed; only a power cut could, and that is not played here.
    await admin(server.url, `alter database ${name} set synchronous_commit = on`)
    return name
  }
  const calmUrl = databaseUrl(server.url, await create())
  const token = randomBytes(24).toString('base64url')
  const config = { PORT: '0', DATA_DIR: folder, DATABASE_URL: calmUrl, ADMIN_TOKEN: token, LOG_LEVEL: 'silent' }
  const app: App = await startApp(readConfig(config))
  const client = createClient(app.url, token)
  return {
    s3,
    folder,
    calm: { client, database: connectionOf(calmUrl) },
    async createDatabase() {
      const name = await create()
      const url = databaseUrl(server.url, name)
      const connection = connectionOf(url)
      const drop = () => admin(server.url, `drop database ${name} with (force)`)
      return { name, url, connection, socket: `${connection.host}/.s.PGSQL.5432`, drop }
    },
    async stop() {
      await client.close()
      await app.stop()
      await s3.stop()
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
      remove()
    },
  }
}
