import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createDatabase } from '@sluice/testkit/app.ts'
import { makeCertificate } from '@sluice/testkit/certificate.ts'
import { createClient, type GraphqlClient } from '@sluice/testkit/client.ts'
import { errorFields } from '@sluice/testkit/errors.ts'
import { foreignModes, foreignObject, startForeignHttp, startForeignRedis } from '@sluice/testkit/foreign-server.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { type Launched, launch, temporaryFolder } from '@sluice/testkit/launch.ts'
import { createProject, finished, startSync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { deliveriesOf, resend, tell } from '@sluice/testkit/webhooks.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { everythingOf, everythingQuery, formsOf } from '../storages/everything.ts'

const canary = `cnry${randomBytes(8).toString('hex')}`
const secret = (name: string) => `${name}${randomBytes(12).toString('hex')}`
const secrets = { s3: secret('s3'), session: secret('session'), redis: secret('redis'), sas: secret('sas') }
const adminToken = secret('admin')

const redisReplies: Record<string, (command: string) => string> = {
  error: () => `-ERR ${canary} happened\r\n`,
  code: () => `-${canary.toUpperCase()} ${canary}\r\n`,
  denied: () => `-NOPERM User ${canary} has no permissions to run the '${canary}' command\r\n`,
  auth: (command) => (command.startsWith('auth') ? `-WRONGPASS ${canary}\r\n` : `-NOAUTH ${canary}\r\n`),
  moved: () => `-MOVED 1 ${canary}:1\r\n`,
  foreign: () => `HTTP/1.1 400 ${canary}\r\nx: ${canary}\r\n\r\n`,
  scan: (command) =>
    /^info/i.test(command)
      ? `$${canary.length + 9}\r\nrun_id:${canary}\r\n\r\n`
      : /^scan/i.test(command)
        ? `*2\r\n$${canary.length}\r\n${canary}\r\n*0\r\n`
        : /^(?:getrange|multi|exists|strlen|exec)/i.test(command)
          ? `-ERR ${canary}\r\n`
          : `+OK ${canary}\r\n`,
  reads: (command) =>
    /^info/i.test(command)
      ? `$${canary.length + 9}\r\nrun_id:${canary}\r\n\r\n`
      : /^scan/i.test(command)
        ? `*2\r\n$1\r\n0\r\n*1\r\n$${foreignObject.key.length}\r\n${foreignObject.key}\r\n`
        : /^strlen/i.test(command)
          ? ':7\r\n'
          : `-ERR ${canary}\r\n`,
}

describe('bytes that a foreign server puts into its responses', () => {
  const folder = temporaryFolder()
  const stops: (() => Promise<void>)[] = []
  const seen: [string, string][] = []
  let server: Launched
  let client: GraphqlClient
  let url: string
  let database: Awaited<ReturnType<typeof createDatabase>>
  let locations: { name: string; location: object; uri: string }[]
  let receiver: string
  let agents: () => string[]

  beforeAll(async () => {
    const certificate = makeCertificate()
    const [http, https, foreign, ...redis] = await Promise.all([
      startForeignHttp(canary),
      startForeignHttp(canary, certificate),
      startForeignHttp(canary, makeCertificate(canary)),
      ...Object.values(redisReplies).map(startForeignRedis),
    ])
    stops.push(...[http, https, foreign, ...redis].map((one) => one.stop))
    agents = () => [http, https].flatMap((one) => [...one.agents])
    receiver = await startReceiver()
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const keyFile = (mode: string, base: string) =>
      JSON.stringify({
        ...{ type: 'service_account', client_email: 'a@b.example' },
        private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
        token_uri: `${base}/token/${mode}`,
      })
    const base = `http://127.0.0.1:${http.port}`
    const secure = `https://127.0.0.1:${https.port}`
    const s3 = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: secrets.s3, sessionToken: secrets.session }
    locations = foreignModes.flatMap((mode) => [
      { name: `S3 ${mode}`, location: { s3: { bucket: mode, endpoint: base, ...s3 } }, uri: `s3://${mode}/` },
      {
        name: `STS ${mode}`,
        location: {
          s3: {
            bucket: mode,
            endpoint: base,
            ...s3,
            roleArn: 'arn:aws:iam::123456789012:role/r',
            stsEndpoint: `${base}/sts/${mode}`,
          },
        },
        uri: `s3://${mode}/`,
      },
      {
        name: `GCS ${mode}`,
        location: { gcs: { bucket: mode, endpoint: base, anonymous: true } },
        uri: `gs://${mode}/`,
      },
      {
        name: `token_uri ${mode}`,
        location: { gcs: { bucket: mode, endpoint: base, serviceAccountJson: keyFile(mode, base) } },
        uri: `gs://${mode}/`,
      },
      {
        name: `Azure ${mode}`,
        location: {
          azureBlob: {
            account: 'account',
            container: mode,
            endpoint: `${base}/account`,
            sasToken: `sv=1&sr=c&sp=rl&sig=${secrets.sas}`,
          },
        },
        uri: `azure-blob://${mode}/`,
      },
    ])
    const tls = { s3: { bucket: 'objects', endpoint: `https://127.0.0.1:${foreign.port}`, ...s3 } }
    locations.push({ name: 'S3 with a foreign certificate', location: tls, uri: 's3://objects/' })
    const principal = { tenantId: 'adfs', clientId: 'client', clientSecret: secret('client') }
    locations.push({
      name: 'Entra',
      location: {
        azureBlob: { account: 'account', container: 'objects', endpoint: `${secure}/account`, ...principal },
      },
      uri: 'azure-blob://objects/',
    })
    for (const [n, name] of Object.keys(redisReplies).entries()) {
      const { port } = redis[n]!
      locations.push({
        name: `Redis ${name}`,
        location: { redis: { host: '127.0.0.1', port, db: 1, password: secrets.redis } },
        uri: `redis://127.0.0.1:${port}:1/`,
      })
    }
    const caFile = join(folder.path, 'ca.pem')
    await writeFile(caFile, certificate.cert)
    database = await createDatabase()
    server = launch({
      DATABASE_URL: database.url,
      DATA_DIR: `${folder.path}/data`,
      ADMIN_TOKEN: adminToken,
      LOG_LEVEL: 'trace',
      AZURE_AUTHORITY_HOST: `${secure}/refuse-400`,
      NODE_TLS_REJECT_UNAUTHORIZED: '1',
      NODE_EXTRA_CA_CERTS: caFile,
    })
    url = (await server.ready()).url
    client = createClient(url, adminToken)
  })
  afterAll(async () => {
    await client?.close()
    await server?.end()
    await database?.drop()
    for (const stop of stops) await stop()
    folder.remove()
  })

  async function startReceiver(): Promise<string> {
    const app = createServer((req, res) => {
      req.resume()
      const status = Number(req.url!.slice(1))
      res.writeHead(status, `${canary} reason`, { 'x-own': canary, 'retry-after': canary, location: `/${canary}` })
      res.end(`${canary} body`)
    })
    await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve))
    stops.push(async () => {
      app.closeAllConnections()
      await new Promise((resolve) => app.close(resolve))
    })
    return `http://127.0.0.1:${(app.address() as AddressInfo).port}`
  }

  /** Remembers what a person gets to see, errors included. */
  async function hear<T>(name: string, answer: Promise<T>): Promise<T | undefined> {
    try {
      const value = await answer
      seen.push([name, JSON.stringify(value)])
      return value
    } catch (error) {
      seen.push([name, JSON.stringify((error as { errors?: unknown }).errors ?? String(error))])
      return undefined
    }
  }

  async function use(
    { name, location, uri }: (typeof locations)[number],
    projects: string[],
  ): Promise<string | undefined> {
    const project = await createProject(client, name)
    projects.push(project)
    for (const direction of ['IMPORT', 'EXPORT']) {
      const input = { projectId: project, direction, location, importMethod: 'TASKS' }
      await hear(`${name}: check ${direction}`, client.request(checking, { input }))
    }
    await hear(`${name}: preview`, client.request(previewing, { input: { projectId: project, location } }))
    const input = { projectId: project, location, importMethod: 'TASKS', presign: true, skipCheck: true }
    const made = await hear(`${name}: create`, client.request(creating, { input }))
    const storage = made?.createImportStorage.storage
    if (!storage) return undefined
    const run = await hear(`${name}: sync`, finished(client, await startSync(client, storage.id)))
    expect(['FAILED', 'COMPLETED', 'COMPLETED_WITH_ERRORS']).toContain(run?.status)
    const databaseId = numberOf(project)
    for (const range of [undefined, 'bytes=0-1']) {
      const link = `${url}/projects/${databaseId}/resolve/?fileuri=${Buffer.from(uri + foreignObject.key).toString('base64url')}`
      for (const method of ['GET', 'HEAD']) {
        const headers = { authorization: `Bearer ${adminToken}`, ...(range && { range }) }
        const answer = await fetch(link, { method, headers, redirect: 'manual' })
        const told = [...answer.headers].filter(([header]) => header !== 'location')
        seen.push([
          `${name}: resolve ${method}`,
          `${answer.status} ${answer.statusText} ${JSON.stringify(told)} ${await answer.text()}`,
        ])
      }
    }
    return storage.id
  }

  it('appear in no response, event, delivery, table or line of the log', async () => {
    const projects: string[] = []
    const storages: string[] = []
    const webhooks: string[] = []
    for (const status of [200, 302, 400, 410, 503]) {
      const project = await createProject(client, `webhook ${status}`)
      const { id } = await tell(client, project, { url: `${receiver}/${status}` })
      await resend(client, 'testWebhook', id)
      webhooks.push(id)
    }
    const queue = [...locations]
    const work = async () => {
      for (let one = queue.shift(); one; one = queue.shift()) {
        const id = await use(one, projects)
        if (id) storages.push(id)
      }
    }
    await Promise.all(Array.from({ length: 8 }, work))
    expect(storages.length).toBeGreaterThan(60)
    for (let n = 0; n < storages.length; n += 40) {
      const ids = storages.slice(n, n + 40)
      for (const id of ids)
        await hear(`everything of ${id}`, client.request(everythingQuery(), { ids: [id], project: projects[0] }))
    }
    for (const id of webhooks) {
      await until(async () =>
        (await deliveriesOf(client, id)).every(({ attempts }: { attempts: number }) => attempts > 0),
      )
      const deliveries = await deliveriesOf(client, id)
      expect(deliveries.some(({ responseStatus }: { responseStatus: number | null }) => responseStatus !== null)).toBe(
        true,
      )
      seen.push(['deliveries', JSON.stringify(deliveries)])
    }
    const tables = await query(
      database.url,
      `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
      where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`,
    )
    expect(tables.length).toBeGreaterThan(15)
    for (const { name } of tables) {
      const rows = await query(database.url, `select t::text as text from ${name} t`)
      seen.push([`table ${name}`, rows.map(({ text }) => text).join('\n')])
    }
    // Nor does the server say what it runs on.
    expect([...new Set(agents())]).toEqual(['user-agent: sluice'])
    await client.close()
    seen.push(['log', (await server.end()).output])

    const all = new Map(seen)
    for (const part of ['table public.sync_run', 'table public.event', 'table public.webhook_delivery', 'log']) {
      expect(all.get(part)?.length, part).toBeGreaterThan(1_000)
    }
    // The servers were reached, and their refusals understood.
    for (const code of [
      'DENIED',
      'BAD_CREDENTIALS',
      'UNEXPECTED_ANSWER',
      'CONSOLE_URL',
      'TLS_FAILED',
      'NO_SUCH_BUCKET',
    ]) {
      expect(JSON.stringify(seen), code).toContain(code)
    }
    expect(all.get('S3 objects: sync'), 'an object is imported').toMatch(/"created":1|COMPLETED|FAILED/)
    const forms = [canary, canary.toUpperCase(), ...Object.values(secrets)].flatMap(formsOf)
    const leaks = seen.filter(([, text]) => forms.some((form) => text.includes(form)))
    expect(leaks.map(([name, text]) => `${name}: ${excerpt(text, forms)}`)).toEqual([])
  }, 300_000)
})

function excerpt(text: string, forms: string[]): string {
  const at = Math.min(...forms.map((form) => text.indexOf(form)).filter((index) => index >= 0))
  return text.slice(Math.max(0, at - 300), at + 100)
}

const checking = `mutation ($input: CheckStorageInput!) { checkStorage(input: $input) {
  ... on CheckStorageSuccess { check { ${everythingOf('StorageCheck')} } } ${errorFields} } }`
const previewing = `query ($input: PreviewObjectsInput!) { previewObjects(input: $input, first: 5) { ${everythingOf('ObjectPreview')} } }`
const creating = `mutation ($input: CreateImportStorageInput!) { createImportStorage(input: $input) { __typename
  ... on CreateImportStorageSuccess { storage { id databaseId } } ${errorFields} } }`
