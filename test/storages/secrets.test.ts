import { randomBytes, randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createDatabase } from '@sluice/testkit/app.ts'
import { startAzure } from '@sluice/testkit/azure.ts'
import { createClient, type GraphqlClient } from '@sluice/testkit/client.ts'
import { errorFields } from '@sluice/testkit/errors.ts'
import { startGcs } from '@sluice/testkit/gcs.ts'
import { type Launched, launch, temporaryFolder } from '@sluice/testkit/launch.ts'
import { startSmallRedis } from '@sluice/testkit/redis-small.ts'
import { startS3 } from '@sluice/testkit/s3.ts'
import { startFront } from '@sluice/testkit/s3-front.ts'
import { createProject, finished, startSync } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { everythingOf, everythingQuery, formsOf } from './everything.ts'

const random = () => randomBytes(18).toString('base64')
const keyPair = { accessKeyId: `AKIA${randomBytes(8).toString('hex')}`, secretAccessKey: `${random()}+/"=` }
const password = `redis-${random()}`
const adminToken = `admin-${randomUUID()}`
const secretKey = `seal-${randomUUID()}`
/** A file whose rows fail for several reasons. */
const rows = '{"n":1}\n[1]\n{"data":{"n":2}}\nnonsense\n'

/** Every service with a good place, and secrets that occur nowhere else. */
async function startServices() {
  const [s3, gcs, azure, redis] = await Promise.all([
    startS3(),
    startGcs(),
    startAzure(),
    startSmallRedis({ password }),
  ])
  return { s3, gcs, azure, redis, front: await startFront({ target: s3.endpoint, credentials: keyPair }) }
}

describe('with secrets of every provider in use', () => {
  let services: Awaited<ReturnType<typeof startServices>>
  let server: Launched
  let client: GraphqlClient
  let database: Awaited<ReturnType<typeof createDatabase>>
  const folder = temporaryFolder()
  /** All that was received, by where it came from. */
  const seen: Record<string, string> = {}
  const secrets: string[] = [keyPair.accessKeyId, keyPair.secretAccessKey, password, adminToken, secretKey]
  const secret = (text: string = random()) => {
    secrets.push(text)
    return text
  }
  /** Remembers what was answered, faults included. */
  const hear = async <T>(name: string, answer: Promise<T>): Promise<T | undefined> => {
    try {
      const value = await answer
      seen[`${name} ${Object.keys(seen).length}`] = JSON.stringify(value)
      return value
    } catch (error) {
      const { errors } = error as { errors?: unknown }
      if (!errors) throw error
      seen[`${name} ${Object.keys(seen).length}`] = JSON.stringify(errors)
      return undefined
    }
  }

  beforeAll(async () => {
    ;[services, database] = await Promise.all([startServices(), createDatabase()])
    const root = join(folder.path, 'files')
    await mkdir(join(root, 'in'), { recursive: true })
    await writeFile(join(root, 'in/a.jsonl'), rows)
    server = launch({
      DATABASE_URL: database.url,
      DATA_DIR: join(folder.path, 'data'),
      LOCAL_FILES_ROOT: root,
      ADMIN_TOKEN: adminToken,
      SECRET_KEY: secretKey,
      LOG_LEVEL: 'trace',
    })
    client = createClient((await server.ready()).url, adminToken)
  })
  afterAll(async () => {
    await client?.close()
    await server?.end()
    await database?.drop()
    if (services) {
      const { front, ...rest } = services
      await front.stop()
      await Promise.all(Object.values(rest).map((one) => one.stop()))
    }
    folder.remove()
  })

  /** A good place of each provider, and what makes it a bad one. */
  async function places(): Promise<{ name: string; good: object; bad: object[] }[]> {
    const { s3, front, gcs, azure, redis } = services
    await s3.createBucket('photos')
    await s3.put('photos', 'a.jsonl', rows)
    gcs.createBucket('photos')
    gcs.put('photos', 'a.jsonl', rows)
    const container = await azure.createContainer('photos')
    await container.getBlockBlobClient('a.jsonl').upload(rows, rows.length)
    const account = (options: object) => {
      const { keyFile } = gcs.newAccount({ sharesKey: false, ...options })
      const { private_key, private_key_id } = JSON.parse(keyFile)
      for (const line of private_key.split('\n').filter((line: string) => line.length > 40)) secret(line)
      secret(private_key_id)
      return keyFile
    }
    const sas = (letters: string) => {
      const sasToken = `sv=2026-02-06&sr=c&sp=${letters}&sig=${encodeURIComponent(secret(randomBytes(32).toString('base64')))}`
      return { accountKey: null, sasToken }
    }
    return [
      {
        name: 's3',
        good: { bucket: 'photos', endpoint: front.endpoint, ...keyPair },
        bad: [
          { secretAccessKey: secret() },
          { accessKeyId: secret(), secretAccessKey: secret(), sessionToken: secret() },
          { accessKeyId: null, secretAccessKey: secret() },
          { secretAccessKey: null, accessKeyId: secret() },
          { secretAccessKey: secret(), bucket: 'x', endpoint: 'http://s3.nowhere.invalid' },
          { secretAccessKey: [secret()] },
          { secretAccessKey: { deep: secret() } },
          { secretAccesKey: secret() },
          { secretAccessKey: secret(), addressing: 'NONSENSE' },
        ],
      },
      {
        name: 'gcs',
        good: { bucket: 'photos', endpoint: gcs.endpoint, serviceAccountJson: account({}) },
        bad: [
          { serviceAccountJson: account({ known: false }) },
          { serviceAccountJson: account({ may: () => false }) },
          { serviceAccountJson: account({}).slice(0, -1) },
          { serviceAccountJson: JSON.stringify({ type: 'authorized_user', refresh_token: secret() }) },
          { serviceAccountJson: JSON.parse(account({})) },
        ],
      },
      {
        name: 'azureBlob',
        good: {
          account: azure.account,
          container: 'photos',
          endpoint: azure.endpoint,
          accountKey: secret(azure.accountKey),
        },
        bad: [
          { accountKey: secret(randomBytes(64).toString('base64')) },
          { accountKey: `AccountKey=${secret()};` },
          sas('rl'),
          sas('r'),
          { accountKey: null, sasToken: `https://x/?sig=${secret()}` },
          { accountKey: null, clientSecret: secret(), clientId: 'c' },
          {
            accountKey: null,
            clientSecret: secret(),
            clientId: 'c',
            tenantId: 't',
            endpoint: 'https://x.nowhere.invalid',
          },
        ],
      },
      {
        name: 'redis',
        good: { host: redis.host, port: redis.port, db: 1, password },
        bad: [{ password: secret() }, { username: 'stranger', password: secret() }, { password: [secret()] }],
      },
      { name: 'localFiles', good: { path: 'in' }, bad: [{ path: '../x' }] },
    ]
  }

  it('no response, event, log line or table contains one, in any encoding', async () => {
    const listening: Promise<void>[] = []
    const project = await createProject(client)
    const streams = [
      client.subscribe(
        `subscription ($id: ID!) { storageChanged(projectId: $id) { __typename ... on StorageState { ${everythingOf('StorageState')} } } }`,
        { id: project },
      ),
    ]
    for (const stream of streams) {
      listening.push(
        (async () => {
          for await (const event of stream) seen[`event ${Object.keys(seen).length}`] = JSON.stringify(event)
        })(),
      )
    }
    const connected: string[] = []
    for (const { name, good, bad } of await places()) {
      for (const more of [{}, ...bad]) {
        const location = { [name]: { ...good, ...more } }
        const settings = { location, importMethod: 'TASKS' }
        for (const direction of ['IMPORT', 'EXPORT'])
          await hear('check', client.request(checking, { input: { projectId: project, direction, ...settings } }))
        await hear(
          'refused',
          client.request(creating, { input: { projectId: project, ...settings, regexFilter: '(' } }),
        )
        await hear(
          'checked',
          client.request(creating, { input: { projectId: project, allowDuplicate: true, ...settings } }),
        )
        const made = await hear(
          'created',
          client.request(creating, {
            input: { projectId: project, allowDuplicate: true, skipCheck: true, ...settings },
          }),
        )
        const id = made?.createImportStorage.storage?.id
        if (!id) continue
        connected.push(id)
        await hear('updated', client.request(updating, { input: { id, location, title: 'New' } }))
        await hear('stored check', client.request(checking, { input: { id } }))
        const run = await hear('run', finished(client, await startSync(client, id)))
        expect(['FAILED', 'COMPLETED_WITH_ERRORS', 'COMPLETED']).toContain(run?.status)
      }
    }
    // The queries themselves are in order.
    expect(JSON.stringify(seen)).not.toMatch(/Syntax Error|GRAPHQL_VALIDATION_FAILED/)
    expect(connected.length).toBeGreaterThan(10)
    const everything = await hear('everything', client.request(everythingQuery(), { ids: connected, project }))
    expect(everything?.nodes).toHaveLength(connected.length)
    for (const stream of streams) await stream.return(undefined)
    await Promise.all(listening)
    for (const table of ['event', 'sync_run', 'sync_issue', 'storage', 'agenda_jobs', 'task', 'import_link']) {
      const rows = await query(database.url, `select t::text as text from ${table} t`)
      seen[`table ${table}`] = rows.map(({ text }) => text).join('\n')
    }
    await client.close()
    seen.log = (await server.end()).output

    // What is looked for was there to be found.
    for (const part of ['table event', 'table storage', 'table sync_run', 'table sync_issue', 'log']) {
      expect(seen[part]?.length, part).toBeGreaterThan(100)
    }
    expect(Object.keys(seen).some((name) => name.startsWith('event '))).toBe(true)
    expect(JSON.stringify(seen)).toContain('BAD_CREDENTIALS')
    const leaks = Object.entries(seen).filter(([, text]) =>
      secrets.some((one) => formsOf(one).some((form) => text.includes(form))),
    )
    expect(leaks.map(([name, text]) => `${name}: ${text.slice(0, 200)}`)).toEqual([])
  })
})

const checking = `mutation ($input: CheckStorageInput!) { checkStorage(input: $input) {
  ... on CheckStorageSuccess { check { ${everythingOf('StorageCheck')} } } ${errorFields} } }`
const saved = (kind: string) => `${kind} { __typename
  ... on ${kind.replace(/^./, (first) => first.toUpperCase()).replace(/\(.*/, '')}Success { storage { ${everythingOf('ImportStorage', 1)} } }
  ${errorFields} ... on ConnectionCheckError { steps { ${everythingOf('CheckStep')} } }
  ... on DuplicateStorageError { existing { id } } }`
const creating = `mutation ($input: CreateImportStorageInput!) { ${saved('createImportStorage(input: $input)')} }`
const updating = `mutation ($input: UpdateImportStorageInput!) { ${saved('updateImportStorage(input: $input)')} }`
