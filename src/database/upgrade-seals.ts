import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, sql } from 'kysely'
import { type SealedRow, storageContext } from '../providers/seal-context.ts'
import { formerContexts, webhookContext } from '../security/contexts.ts'
import type { Sealer } from '../security/seal.ts'
import { execute } from '../sql.ts'

const batchSize = 500

/**
 * Seals the secrets of storages and webhooks again. Before, they were bound to their project only. Now they are bound to their
 * row and, for storages, to the location. Runs in the transaction of the caller and locks the rows. Secrets that cannot be
 * read, or are already bound to their row, are unchanged.
 */
export async function upgradeSeals(tx: EntityManager, sealer: Sealer): Promise<void> {
  await eachBatch(tx, storages, async (rows) => {
    const sealed = rows.map((row) => {
      const place = { ...row, id: Number(row.id), project: Number(row.project_id) }
      return reseal(sealer, row.secrets, formerContexts.storage(place.project), () => storageContext(place))
    })
    await write(tx, 'storage', 'secrets', rows, sealed)
  })
  await eachBatch(tx, webhooks, async (rows) => {
    for (const column of ['secret', 'former_secret'] as const) {
      const sealed = rows.map((row) => {
        const [id, project] = [Number(row.id), Number(row.project_id)]
        return reseal(sealer, row[column], formerContexts.webhook(project), () => webhookContext(id, project))
      })
      await write(tx, 'webhook', column, rows, sealed)
    }
  })
}

interface Row {
  id: string
  project_id: string
}

const storages = sql<Row & Omit<SealedRow, 'id' | 'project'> & { secrets: string | null }>`
  id, project_id, direction, provider, location, secrets from storage`

const webhooks = sql<Row & Record<'secret' | 'former_secret', string | null>>`
  id, project_id, secret, former_secret from webhook`

async function eachBatch<R extends Row>(
  tx: EntityManager,
  columnsAndTable: RawBuilder<R>,
  work: (rows: R[]) => Promise<void>,
): Promise<void> {
  for (let last = '0'; ; ) {
    const rows = await execute<R>(
      tx,
      sql`select ${columnsAndTable} where id > ${last} order by id limit ${batchSize} for update`,
    )
    if (rows.length === 0) return
    await work(rows)
    last = rows.at(-1)!.id
  }
}

/** Seals a text again. Null if the stored text must not change. */
function reseal(
  sealer: Sealer,
  sealed: string | null | undefined,
  former: string,
  context: () => string,
): string | null {
  if (!sealed) return null
  let plain: string
  try {
    plain = sealer.unseal(sealed, former)
  } catch {
    return null
  }
  return sealer.seal(plain, context())
}

// The ORM would set `updated_at`, but nobody changed the settings.
async function write(
  tx: EntityManager,
  table: 'storage' | 'webhook',
  column: 'secrets' | 'secret' | 'former_secret',
  rows: Row[],
  sealed: (string | null)[],
): Promise<void> {
  await execute(
    tx,
    sql`update ${sql.table(table)} t set ${sql.ref(column)} = n.sealed
     from unnest(${rows.map(({ id }) => id)}::bigint[], ${sealed}::text[]) as n (id, sealed)
     where t.id = n.id and n.sealed is not null`,
  )
}
