import type { EntityManager } from '@mikro-orm/postgresql'
import type { Sealer } from '../security/seal.ts'
import { sql } from '../sql.ts'

/** SECRET_KEY is not the one with which the secrets in the database were sealed; the message says what to do. */
export class OtherSecretKey extends Error {}

const context = 'key probe'

/**
 * Resolves when the sealer has the key of this database, which is that of the first process ever. With `isChanged` it becomes
 * the key from now on: what was sealed by the one before stays shut, and keys that can be made anew are. @throws OtherSecretKey
 */
export async function probeSecretKey(em: EntityManager, sealer: Sealer, isChanged: boolean): Promise<void> {
  const probe = sealer.seal('', context)
  await sql(em, 'insert into key_probe (id, sealed) values (1, $1) on conflict do nothing', [probe])
  const [row] = await sql<{ sealed: string }>(em, 'select sealed from key_probe')
  try {
    sealer.unseal(row!.sealed, context)
  } catch (cause) {
    if (!isChanged) throw new OtherSecretKey(words, { cause })
    await em.fork().transactional(async (tx) => {
      await sql(tx, 'update key_probe set sealed = $1', [probe])
      await sql(tx, 'update project set media_key = null')
    })
  }
}

const words =
  'SECRET_KEY is not the one that this database was begun with. Give all processes the same one; where it was never set, ' +
  'it is in the file secret.key of the DATA_DIR of then. If it is lost, start once with SECRET_KEY_CHANGED=true, and enter ' +
  'the credentials of storages and the secrets of webhooks again.'
