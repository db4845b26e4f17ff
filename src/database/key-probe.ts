import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { StartupError } from '../config.ts'
import type { Sealer } from '../security/seal.ts'
import { execute } from '../sql.ts'
import { upgradeSeals } from './upgrade-seals.ts'

/** SECRET_KEY is not the key that sealed the secrets in the database. The message says what to do. */
class OtherSecretKey extends StartupError {
  readonly exitCode = 78
}

/** The context of the probe in a database whose secrets are bound to their rows. */
const context = 'key probe, secrets bound to rows'
/** The context of the probe in databases of earlier versions. */
const formerContext = 'key probe'

/**
 * Checks that the sealer has the key of this database, which is the key of the first process that used it.
 *
 * A database of an earlier version, whose secrets are not bound to their rows, is upgraded in one transaction by one of the
 * processes that start at the same time. The encryption of the probe shows that the upgrade was done. After it, secrets of the
 * earlier form are never accepted again, even if the probe is deleted.
 *
 * With `isChanged`, the key of the sealer becomes the key of the database. Secrets that another key sealed cannot be read any
 * more. Keys that can be generated are generated again.
 * @throws OtherSecretKey
 */
export async function probeSecretKey(em: EntityManager, sealer: Sealer, isChanged: boolean): Promise<void> {
  const probe = sealer.seal('', context)
  await execute(em, sql`insert into key_probe (id, sealed) values (1, ${probe}) on conflict do nothing`)
  await em.fork().transactional(async (tx) => {
    const [row] = await execute<{ sealed: string }>(tx, sql`select sealed from key_probe where id = 1 for update`)
    if (opens(sealer, row!.sealed, context)) return
    if (opens(sealer, row!.sealed, formerContext)) await upgradeSeals(tx, sealer)
    else if (isChanged) await execute(tx, sql`update project set media_key = null`)
    else throw new OtherSecretKey(message)
    await execute(tx, sql`update key_probe set sealed = ${probe} where id = 1`)
  })
}

function opens(sealer: Sealer, sealed: string, context: string): boolean {
  try {
    sealer.unseal(sealed, context)
    return true
  } catch {
    return false
  }
}

const message =
  'SECRET_KEY is not the one that this database was begun with. Give all processes the same one; where it was never set, ' +
  'it is in the file secret.key of the DATA_DIR of then. If it is lost, start once with SECRET_KEY_CHANGED=true, and enter ' +
  'the credentials of storages and the secrets of webhooks again.'
