import { freePort } from '@sluice/testkit/free-port.ts'
import type { ScaleStage } from './scale-stage.ts'
import { startSluice } from './sluice-process.ts'

/** Connections of one process that has nothing to do, by its role; those that stay, and those that look again and again. */
export async function measureConnections({ app, db, dataDir }: ScaleStage): Promise<Record<string, number>> {
  const count = async () => {
    const { rows } = await db.query(
      `select count(*)::int as n from pg_stat_activity where backend_type = 'client backend'`,
    )
    return rows[0].n as number
  }
  const found: Record<string, number> = {}
  for (const roles of ['api', 'worker', 'api,worker']) {
    const before = await count()
    const one = await startSluice({
      DATABASE_URL: app.databaseUrl,
      SLUICE_ROLES: roles,
      // Where the secret key is.
      DATA_DIR: dataDir,
      ADMIN_TOKEN: 'x'.repeat(32),
      PORT: String(await freePort()),
    })
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    found[roles] = (await count()) - before
    await one.stop()
  }
  return found
}
