import type { EntityManager } from '@mikro-orm/postgresql'
import { type SealedRow, storageContext } from '../providers/seal-context.ts'
import { formerContexts, webhookContext } from '../security/contexts.ts'
import type { Sealer } from '../security/seal.ts'
import { sql } from '../sql.ts'

const batchSize = 500

/**
 * Seals the secrets of storages and webhooks again. Before, they were bound to their project only. Now they are bound to their
 * row and, for storages, to the location. Runs in the transaction of the caller and locks the rows. Secrets that cannot be
 * read, or are already bound to their row, are unchanged.
 */
export async function upgradeSeals(tx: EntityManager, sealer: Sealer): Promise<void> {
  await eachBatch(tx, 'id, project_id, direction, provider, location, secrets from storage', async (rows) => {
    const sealed = rows.map((row) => {
      const place = { ...row, id: Number(row.id), project: Number(row.project_id) } as unknown as SealedRow
      return reseal(sealer, row.secrets, formerContexts.storage(place.project), () => storageContext(place))
    })
    await write(tx, 'storage', 'secrets', rows, sealed)
  })
  await eachBatch(tx, 'id, project_id, secret, former_secret from webhook', async (rows) => {
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
  [column: string]: string | null
}

async function eachBatch(tx: EntityManager, what: string, work: (rows: Row[]) => Promise<void>): Promise<void> {
  for (let last = '0'; ; ) {
    const rows = await sql<Row>(tx, `select ${what} where id > $1 order by id limit ${batchSize} for update`, [last])
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
  const text = `update ${table} set ${column} = n.sealed
    from unnest($1::bigint[], $2::text[]) as n (id, sealed) where ${table}.id = n.id and n.sealed is not null`
  await sql(tx, text, [rows.map(({ id }) => id), sealed])
}
