import { createTasks } from '@sluice/testkit/annotate.ts'
import { createDatabase } from '@sluice/testkit/app.ts'
import { createClient, type GraphqlClient } from '@sluice/testkit/client.ts'
import { openDownload } from '@sluice/testkit/download.ts'
import { type Launched, launch, temporaryFolder } from '@sluice/testkit/launch.ts'
import { type S3Server, startS3 } from '@sluice/testkit/s3.ts'
import { type Front, startFront } from '@sluice/testkit/s3-front.ts'
import { createProject, createStorage } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formsOf } from '../storages/everything.ts'

const adminToken = 'test-admin-token-0123456789'
const metricsToken = 'metrics-token-0123456789'

describe('the token in the path of a link to a file', () => {
  const folder = temporaryFolder()
  let database: Awaited<ReturnType<typeof createDatabase>>
  let s3: S3Server
  let front: Front
  let server: Launched
  let client: GraphqlClient
  let url: string
  beforeAll(async () => {
    ;[database, s3] = await Promise.all([createDatabase(), startS3()])
    front = await startFront({ target: s3.endpoint })
    await s3.createBucket('media')
    for (const key of ['in/list.m3u8', 'in/1.ts', 'in/denied.ts', 'in/held.ts', 'in/cut.ts', 'in/held/list.m3u8']) {
      await s3.put('media', key, 'x'.repeat(1_000))
    }
    server = launch({
      ...{ DATABASE_URL: database.url, DATA_DIR: `${folder.path}/data`, LOG_LEVEL: 'trace' },
      ...{ ADMIN_TOKEN: adminToken, METRICS_TOKEN: metricsToken },
      ...{ RESOLVER_PROXY_TIMEOUT: '1', WRONG_TOKENS_PER_MINUTE: '3' },
    })
    url = (await server.ready()).url
    client = createClient(url, adminToken)
  })
  afterAll(async () => {
    await client?.close()
    await server?.end()
    await Promise.all([database?.drop(), front?.stop(), s3?.stop()])
    folder.remove()
  })

  async function connect(presign: boolean): Promise<string> {
    const project = await createProject(client)
    const s3 = { bucket: 'media', endpoint: front.endpoint, accessKeyId: 'key', secretAccessKey: 'secret' }
    await createStorage(client, { projectId: project, location: { s3 }, presign, skipCheck: true })
    const [id] = await createTasks(client, project, [{ file: 's3://media/in/list.m3u8' }])
    const { task } = await client.request('query ($id: ID!) { task(id: $id) { resolvedData(mediaToken: true) } }', {
      id,
    })
    return task.resolvedData.file
  }
  const tokenOf = (link: string) => link.split('/')[6]!

  it('appears in no line of the log, no metric and no response, whatever the outcome of a request', async () => {
    const seen: [string, string][] = []
    const statuses = new Set<number | string>()
    const get = async (target: string | URL, headers: Record<string, string> = {}, method = 'GET') => {
      const answer = await fetch(target, { method, headers, redirect: 'manual' })
      const body = await answer.text().catch((error: Error) => {
        statuses.add('reset')
        return String(error.cause)
      })
      seen.push([`${answer.status}`, JSON.stringify([...answer.headers]) + body])
      statuses.add(answer.status)
      return answer
    }
    const [streamed, signed] = [await connect(false), await connect(true)]
    const { headers } = await get(streamed)
    await get(new URL('1.ts', signed))
    await get(new URL('1.ts', streamed), { range: 'bytes=0-1' })
    await get(streamed, { 'if-none-match': headers.get('etag')! })
    await get(streamed, { 'if-match': '"other"' })
    await get(streamed, { range: 'bytes=5000-' })
    await get(streamed, {}, 'POST')
    await get(streamed, {}, 'OPTIONS')
    await get(new URL('none.ts', streamed))
    await get(streamed.replace('/in/', '/out/'))
    await get(`${streamed}%00`)
    for (let n = 0; n < 5; n++) await get(`${streamed.replace(tokenOf(streamed), `${tokenOf(streamed)}${n}`)}`)
    const project = Number(streamed.split('/')[4])
    await get(streamed.replace(`/projects/${project}/`, `/projects/${project + 1}/`))

    const failing = (key: string, times = Infinity) => ({ match: (one: { key: string }) => one.key === key, times })
    front.fail({ status: 403, code: 'AccessDenied', ...failing('in/denied.ts') })
    front.fail({ hold: true, ...failing('in/held.ts') })
    front.fail({ cutAfterBytes: 10, ...failing('in/cut.ts', 1) })
    front.fail({ status: 403, code: 'AccessDenied', ...failing('in/cut.ts') })
    await Promise.all(['denied.ts', 'held.ts', 'cut.ts'].map((name) => get(new URL(name, streamed))))
    const { asked, answer } = await openDownload(streamed)
    answer.destroy()
    asked.destroy()
    // A fault that the server does not expect.
    await query(database.url, 'alter table url_mapping rename to hidden')
    await query(database.url, 'update project set media_key = media_key')
    await get(streamed.replace(`/projects/${project}/`, '/projects/4711/'))
    await query(database.url, 'alter table hidden rename to url_mapping')

    const metrics = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${metricsToken}` } })
    seen.push(['metrics', await metrics.text()])
    await client.close()
    seen.push(['log', (await server.end()).output])

    for (const status of [200, 204, 206, 303, 304, 400, 401, 404, 405, 412, 416, 429, 500, 502, 504, 'reset']) {
      expect([...statuses], String(status)).toContain(status)
    }
    const all = new Map(seen)
    expect(all.get('log')).toContain('an object could not be resolved')
    expect(all.get('log')).toContain('unexpected fault in resolve')
    expect(all.get('metrics')).toContain('sluice_resolve_requests_total{mode="PROXY",status="206"} 1')
    const secrets = [streamed, signed].flatMap((link) => tokenOf(link).split('.').slice(1)).flatMap(formsOf)
    expect(seen.filter(([, text]) => secrets.some((secret) => text.includes(secret))).map(([name]) => name)).toEqual([])
  }, 60_000)
})
