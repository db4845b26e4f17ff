import { MikroORM } from '@mikro-orm/postgresql'
import { createDatabase } from '@sluice/testkit/app.ts'
import { query } from '@sluice/testkit/sql.ts'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { unsealSecrets } from '../../src/connect.ts'
import { probeSecretKey } from '../../src/database/key-probe.ts'
import { ormOptions } from '../../src/database/open.ts'
import { createSealer } from '../../src/security/seal.ts'
import { unsealWebhookSecret } from '../../src/webhooks/save.ts'

const sealer = createSealer('the key of the database, 32 characters')
const location = { bucket: 'photos', endpoint: 'http://127.0.0.1:1' }
const secrets = { accessKeyId: 'AKID', secretAccessKey: 'secret' }
const insert = `insert into storage (project_id, direction, provider, location, secrets, fingerprint)
  values (1, 'IMPORT', 'S3', $1, $2, '') returning id::int`

describe('secrets that were sealed by an earlier version', () => {
  let database: Awaited<ReturnType<typeof createDatabase>>
  let orms: MikroORM[]
  let storages: number[]
  let webhook: number
  /** The probe as the earlier version wrote it. */
  const formerProbe = sealer.seal('', 'key probe')
  const formerSecrets = () => sealer.seal(JSON.stringify(secrets), 'project:1')

  beforeEach(async () => {
    database = await createDatabase()
    const run = (text: string, params: unknown[] = []) => query(database.url, text, params)
    await run(`insert into project (id, title) values (1, 'Test')`)
    storages = []
    for (let n = 0; n < 3; n++) storages.push((await run(insert, [location, formerSecrets()]))[0].id)
    await run(insert, [location, null])
    const secret = (text: string) => sealer.seal(text, 'webhook of project:1')
    const [row] = await run(
      `insert into webhook (project_id, url, secret, former_secret, actions)
       values (1, 'http://127.0.0.1:1/', $1, $2, '{SYNC_FAILED}') returning id::int`,
      [secret('whsec_new'), secret('whsec_former')],
    )
    webhook = row.id
    await run('insert into key_probe (id, sealed) values (1, $1)', [formerProbe])
    orms = await Promise.all([1, 2, 3].map(() => MikroORM.init(ormOptions(database.url))))
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    await Promise.all(orms.map((orm) => orm.close(true)))
    await database.drop()
  })

  const start = (n = 0) => probeSecretKey(orms[n]!.em.fork(), sealer, false)
  const rows = () =>
    query(database.url, 'select *, project_id::int as project, id::int as id from storage order by storage.id')
  const unsealed = async () => (await rows()).map((row) => unsealSecrets(sealer, row))
  const sealedTexts = async () => (await rows()).map((row) => row.secrets)

  it('are bound to their rows by the first start, and the next start changes nothing', async () => {
    const before = await rows()
    await start()
    expect(await unsealed()).toEqual([secrets, secrets, secrets, {}])
    const hooks = await query(database.url, 'select secret, former_secret from webhook')
    const read = (sealed: string) => unsealWebhookSecret(sealer, sealed, { id: webhook, project: 1 })
    expect([read(hooks[0].secret), read(hooks[0].former_secret)]).toEqual(['whsec_new', 'whsec_former'])
    const after = await rows()
    expect(after.map((row) => row.updated_at)).toEqual(before.map((row) => row.updated_at))
    await start()
    expect(await rows()).toEqual(after)
  })

  it('are sealed once when several processes start at the same time', async () => {
    await Promise.all([start(0), start(1), start(2)])
    const texts = await sealedTexts()
    expect(await unsealed()).toEqual([secrets, secrets, secrets, {}])
    await start()
    expect(await sealedTexts()).toEqual(texts)
  })

  it('are unchanged after an interrupted start, and bound by the next one', async () => {
    const before = await rows()
    const { seal } = sealer
    let calls = 0
    vi.spyOn(sealer, 'seal').mockImplementation((...args) => {
      // The first is the probe, the third the second storage.
      if (++calls === 3) throw new Error('cut off')
      return seal(...args)
    })
    await expect(start()).rejects.toThrow('cut off')
    vi.restoreAllMocks()
    expect(await rows()).toEqual(before)
    expect(await query(database.url, 'select sealed from key_probe')).toEqual([{ sealed: formerProbe }])
    await start(1)
    expect(await unsealed()).toEqual([secrets, secrets, secrets, {}])
  })

  it.each([
    { attack: 'put into a row', statement: '' },
    { attack: 'put into a row of a database without a probe', statement: 'delete from key_probe' },
  ])('are never accepted after the upgrade: $attack', async ({ statement }) => {
    const [former] = await sealedTexts()
    await start()
    if (statement) await query(database.url, statement)
    await query(database.url, 'update storage set secrets = $2 where id = $1', [storages[1], former])
    await start(1)
    const [first, second, third] = await rows()
    expect(second.secrets).toBe(former)
    expect(() => unsealSecrets(sealer, second)).toThrow('cannot be read')
    expect([unsealSecrets(sealer, first), unsealSecrets(sealer, third)]).toEqual([secrets, secrets])
  })

  it('cannot be unsealed with another key, and no process starts with it', async () => {
    const other = createSealer('another key of this database, 32 characters')
    await expect(probeSecretKey(orms[0]!.em.fork(), other, false)).rejects.toThrow('SECRET_KEY is not the one')
    await probeSecretKey(orms[0]!.em.fork(), other, true)
    for (const row of (await rows()).slice(0, 3)) expect(() => unsealSecrets(other, row)).toThrow('cannot be read')
  })
})
