import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { StartupError } from '../config.ts'
import type { Sealer } from '../security/seal.ts'
import { execute } from '../sql.ts'
import { upgradeSeals } from './upgrade-seals.ts'

/** SECRET_KEY is not the one with which the secrets in the database were sealed; the message says what to do. */
export class OtherSecretKey extends StartupError {
  readonly exitCode = 78
}

/** What the probe is sealed with in a database whose secrets are bound to their rows. */
const context = 'key probe, secrets bound to rows'
/** What it was sealed with before. */
const formerContext = 'key probe'

/**
 * Resolves when the sealer has the key of this database, which is that of the first process ever, and the secrets are bound to
 * their rows. A database of an earlier version is upgraded in one transaction, by one of the processes that start at once. The
 * probe shows, by its encryption, that this was done: after it, secrets of the earlier form are never accepted again, not even
 * in a database whose probe was deleted. With `isChanged` the sealer's key becomes the key of the database: what was sealed
 * with another one cannot be read any more, and keys that can be made anew are.
 * @throws OtherSecretKey
 */
export async function probeSecretKey(em: EntityManager, sealer: Sealer, isChanged: boolean): Promise<void> {
  const probe = sealer.seal('', context)
  await execute(em, sql`insert into key_probe (id, sealed) values (1, ${probe}) on conflict do nothing`)
  await em.fork().transactional(async (tx) => {
    const [row] = await execute(tx, sql<{ sealed: string }>`select sealed from key_probe where id = 1 for update`)
    if (opens(sealer, row!.sealed, context)) return
    if (opens(sealer, row!.sealed, formerContext)) await upgradeSeals(tx, sealer)
    else if (isChanged) await execute(tx, sql`update project set media_key = null`)
    else throw new OtherSecretKey(words)
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

const words =
  'SECRET_KEY is not the one that this database was begun with. Give all processes the same one; where it was never set, ' +
  'it is in the file secret.key of the DATA_DIR of then. If it is lost, start once with SECRET_KEY_CHANGED=true, and enter ' +
  'the credentials of storages and the secrets of webhooks again.'
