import type { IncomingMessage } from 'node:http'
import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { openSocket } from '@sluice/testkit/socket.ts'
import { until } from '@sluice/testkit/sql.ts'
import { describe, expect, it, onTestFinished } from 'vitest'
import { SluiceError, WrongTokenError } from '../../src/errors.ts'
import { createGuessLimit } from '../../src/http/guess-limit.ts'

const metricsToken = 'metrics-token-0123456789'

describe('wrong tokens from one address', () => {
  let app: TestApp
  const start = async (perMinute: number) => {
    const started = await startTestApp({ WRONG_TOKENS_PER_MINUTE: String(perMinute), METRICS_TOKEN: metricsToken })
    onTestFinished(() => started.stop())
    return started
  }
  const post = (url: string, token: string, accept = 'application/json') =>
    fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, accept },
      body: '{"query":"{ viewer { name } }"}',
    })
  /** Sends wrong tokens until the limit is reached. */
  const exhaust = async (url: string, count: number) => {
    for (let sent = 0; sent < count; sent++) expect((await post(url, `wrong-${sent}`)).status).toBe(401)
  }

  it('get 401 up to WRONG_TOKENS_PER_MINUTE, then 429 with Retry-After, however many come', async () => {
    app = await start(100)
    const statuses = await Promise.all(
      Array.from({ length: 300 }, async (_, n) => (await post(app.url, `w${n}`)).status),
    )
    expect(statuses.filter((status) => status === 401)).toHaveLength(100)
    expect(statuses.filter((status) => status === 429)).toHaveLength(200)
    const refused = await post(app.url, 'wrong')
    const seconds = Number(refused.headers.get('retry-after'))
    expect(seconds).toBeGreaterThanOrEqual(1)
    expect(seconds).toBeLessThanOrEqual(60)
    expect(await refused.json()).toMatchObject({ errors: [{ extensions: { code: 'TOO_MANY_WRONG_TOKENS' } }] })
  })

  it('are limited at every entry point, and a valid token is accepted at each of them', async () => {
    app = await start(3)
    const projectId = await createProject(app)
    const { createMediaToken } = await app.request(
      'mutation ($projectId: ID!) { createMediaToken(input: { projectId: $projectId }) { ... on CreateMediaTokenSuccess { mediaToken { token } } } }',
      { projectId },
    )
    const media: string = createMediaToken.mediaToken.token
    const project = atob(projectId).split(':')[1]
    const link = `${app.url}/projects/${project}/resolve/?fileuri=${Buffer.from('s3://b/k').toString('base64url')}`
    const withHeader = (url: string, token: string) => fetch(url, { headers: { authorization: `Bearer ${token}` } })
    await exhaust(app.url, 3)

    const forged = `${media.slice(0, -4)}AAAA`
    for (const answer of [
      await post(app.url, 'wrong', 'text/event-stream'),
      await withHeader(link, 'wrong'),
      await fetch(`${link}&token=wrong`),
      await fetch(`${link}&token=${forged}`),
      await fetch(`${app.url}/projects/${project}/files/${forged}/1/a.m3u8`),
      await withHeader(`${app.url}/metrics`, 'wrong'),
    ]) {
      expect([answer.status, Number(answer.headers.get('retry-after'))]).toEqual([429, expect.any(Number)])
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
      await answer.text()
    }
    const refused = await openSocket(app.url, { authorization: 'Bearer wrong' })
    expect(await refused.closed).toMatchObject({ code: 4429, reason: expect.stringMatching(/Wait \d+ s/) })

    expect((await post(app.url, app.token)).status).toBe(200)
    expect((await withHeader(link, app.token)).status).toBe(404)
    expect((await fetch(`${link}&token=${media}`)).status).toBe(404)
    expect((await withHeader(`${app.url}/metrics`, metricsToken)).status).toBe(200)
    const accepted = await openSocket(app.url, { authorization: `Bearer ${app.token}` })
    await accepted.ready()
    accepted.socket.close()
  })

  it('do not include requests without a token, or with a link that has expired', async () => {
    app = await start(1)
    const projectId = await createProject(app)
    const project = atob(projectId).split(':')[1]
    const { createMediaToken } = await app.request(
      'mutation ($projectId: ID!) { createMediaToken(input: { projectId: $projectId, ttlSeconds: 1 }) { ... on CreateMediaTokenSuccess { mediaToken { token expiresAt } } } }',
      { projectId },
    )
    const { token, expiresAt } = createMediaToken.mediaToken
    const link = `${app.url}/projects/${project}/resolve/?fileuri=${Buffer.from('s3://b/k').toString('base64url')}`
    await until(() => Date.now() > Date.parse(expiresAt))
    for (const url of [link, `${link}&token=${token}`, `${app.url}/metrics`, link, `${link}&token=${token}`]) {
      expect((await fetch(url)).status).toBe(401)
    }
  })

  it('are not limited with 0', async () => {
    app = await start(0)
    await exhaust(app.url, 20)
  })
})

describe('createGuessLimit', () => {
  const from = (remoteAddress: string) => ({ socket: { remoteAddress } }) as IncomingMessage
  const wrong = async () => {
    throw new WrongTokenError('wrong')
  }
  const codeOf = (limit: ReturnType<typeof createGuessLimit>, address: string, work: () => Promise<unknown> = wrong) =>
    limit.run(from(address), work).then(
      () => 'passed',
      (error: SluiceError) => error.code,
    )

  it.each([
    ['192.0.2.1', '::ffff:192.0.2.1', true],
    ['192.0.2.1', '192.0.2.2', false],
    ['2001:db8:0:1::1', '2001:db8:0:1:ffff::2', true],
    ['2001:db8::1', '2001:db8:0:0:5:6:7:8', true],
    ['2001:db8:0:1::1', '2001:db8:0:2::1', false],
    ['fe80::1%eth0', 'fe80::2%eth0', true],
  ])('counts %s and %s together: %s', async (one, other, together) => {
    const limit = createGuessLimit(1)
    expect(await codeOf(limit, one)).toBe('UNAUTHENTICATED')
    expect(await codeOf(limit, other)).toBe(together ? 'TOO_MANY_WRONG_TOKENS' : 'UNAUTHENTICATED')
  })

  it('does not count other errors', async () => {
    const limit = createGuessLimit(1)
    const missing = async () => {
      throw new SluiceError('UNAUTHENTICATED')
    }
    for (let n = 0; n < 5; n++) expect(await codeOf(limit, '192.0.2.1', missing)).toBe('UNAUTHENTICATED')
    expect(await codeOf(limit, '192.0.2.1', async () => 1)).toBe('passed')
  })
})
