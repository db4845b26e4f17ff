import pg from 'pg'
import { startEmbedded } from '../src/database/embedded.ts'
import { connectionOf } from '../src/database/open.ts'
import { startGenerated } from './generated-s3.ts'
import { type Stage, setStage } from './stage.ts'
import { readStatements, type Statements } from './statements.ts'

/** The real app over listings that are generated, and what looks into its database. */
export interface ScaleStage extends Stage {
  /** Of the server of listings: a bucket `keys-N` has N keys. */
  endpoint: string
  dataDir: string
  /** Outside of the app's pool. */
  db: pg.Client
  statements: Statements
}

/** Starts it all, with a PostgreSQL that counts what each statement takes. */
export async function setScaleStage(dataDir: string): Promise<ScaleStage> {
  const first = await startEmbedded({ dataDir })
  const setup = new pg.Client(connectionOf(first.url))
  await setup.connect()
  await setup.query(`alter system set shared_preload_libraries = 'pg_stat_statements'`)
  await setup.query(`alter system set pg_stat_statements.track = 'all'`)
  await setup.end()
  await first.stop()
  const generated = await startGenerated()
  const stage = await setStage(dataDir)
  const db = new pg.Client(connectionOf(stage.app.databaseUrl))
  db.on('error', () => {})
  await db.connect()
  await db.query('create extension if not exists pageinspect')
  return {
    ...stage,
    endpoint: generated.endpoint,
    dataDir,
    db,
    statements: await readStatements(db),
    async stop() {
      await db.end()
      await stage.stop()
      await generated.stop()
    },
  }
}
