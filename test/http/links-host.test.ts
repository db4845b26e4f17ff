import { request } from 'node:http'
import { sync } from '@sluice/testkit/scenario.ts'
import { tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import { createRoleOfHost } from '../../src/http/hosts.ts'

describe('createRoleOfHost', () => {
  const roleOf = (host: string | undefined, links = 'https://Links.example', own = 'https://sluice.example') =>
    createRoleOfHost(links, own)({ headers: { host } } as Parameters<ReturnType<typeof createRoleOfHost>>[0])

  it.each([
    'links.example',
    'LINKS.example',
    'links.example:443',
    'links.example.',
    'links.example.:443',
    'links.example:',
  ])('recognizes %s as the host of LINKS_URL', (host) => expect(roleOf(host)).toBe('LINKS'))

  it.each([
    undefined,
    '',
    'sluice.example',
    'links.example:8443',
    'xlinks.example',
    'links.example.evil',
    '127.0.0.1:4000',
  ])('serves everything at the host %s', (host) => expect(roleOf(host)).toBe('ALL'))

  it('compares ports, IPv6 addresses and other default ports', () => {
    expect(roleOf('localhost:4001', 'http://localhost:4001', 'http://localhost:4000')).toBe('LINKS')
    expect(roleOf('localhost:4000', 'http://localhost:4001', 'http://localhost:4000')).toBe('ALL')
    expect(roleOf('[::1]:4001', 'http://[::1]:4001')).toBe('LINKS')
    expect(roleOf('links.example:80', 'http://links.example')).toBe('LINKS')
  })

  it('serves everything at a host that LINKS_URL shares with PUBLIC_URL', () => {
    expect(roleOf('sluice.example', 'https://sluice.example/base')).toBe('ALL')
    expect(roleOf('sluice.example', '')).toBe('ALL')
  })
})

describe('LINKS_URL', () => {
  let world: World
  let link: string
  let task: string
  /** The path of a link to the file. */
  let file: string
  beforeAll(async () => {
    world = await startWorld({ LINKS_URL: 'http://links.localhost:4999/', METRICS_TOKEN: 'metrics-token-0123456789' })
    const storage = await world.storage({ objects: { 'a.txt': 'hello' }, presign: false })
    await sync(world.app, storage.id)
    file = `/projects/${atob(storage.project).split(':')[1]}/files/-/${storage.databaseId}/a.txt`
    task = (await tasksOf(world.app, storage.project))[0]!.id
    const { task: read } = await world.app.request(
      'query ($id: ID!) { task(id: $id) { resolvedData(mediaToken: true) } }',
      { id: task },
    )
    link = read.resolvedData.file
  })
  afterAll(() => world?.stop())

  /** A request to the server under a host name of its choice. */
  const ask = (path: string, headers: Record<string, string>, method = 'GET') =>
    new Promise<{ status: number; body: string }>((resolve, reject) => {
      const options = { host: '127.0.0.1', port: world.app.port, path, method, headers }
      const asked = request(options, (res) => {
        let body = ''
        res.setEncoding('utf8').on('data', (text) => {
          body += text
        })
        res.once('end', () => resolve({ status: res.statusCode!, body }))
      })
      asked.once('error', reject).end()
    })
  const host = 'links.localhost:4999'
  const bearer = () => ({ authorization: `Bearer ${world.app.token}` })

  it('starts the links in tasks, which serve by media token and by bearer token at both hosts', async () => {
    expect(link).toMatch(/^http:\/\/links\.localhost:4999\/tasks\/\d+\/resolve\/\?fileuri=/)
    const { pathname, search, searchParams } = new URL(link)
    const plain = `${pathname}?fileuri=${searchParams.get('fileuri')}`
    for (const at of [host, `localhost:${world.app.port}`]) {
      expect(await ask(pathname + search, { host: at })).toEqual({ status: 200, body: 'hello' })
      expect(await ask(plain, { host: at, ...bearer() })).toEqual({ status: 200, body: 'hello' })
      expect((await ask(plain, { host: at })).status).toBe(401)
      expect((await ask(plain, { host: at, cookie: 'session=anything' })).status).toBe(401)
    }
  })

  it('serves links to files at both hosts', async () => {
    for (const at of [host, `localhost:${world.app.port}`]) {
      expect(await ask(file, { host: at, ...bearer() })).toEqual({ status: 200, body: 'hello' })
      expect((await ask(file, { host: at })).status).toBe(401)
    }
  })

  it.each(['/graphql', '/', '/health', '/ready', '/metrics', '/nowhere'])('serves no %s at its host', async (path) => {
    expect((await ask(path, { host, accept: 'text/html', ...bearer() })).status).toBe(404)
    expect((await ask(path, { host, ...bearer() }, 'POST')).status).toBe(404)
  })

  it('opens no WebSocket at its host', async () => {
    const open = (headers: Record<string, string>) =>
      new Promise((resolve) => {
        const socket = new WebSocket(`ws://127.0.0.1:${world.app.port}/graphql`, 'graphql-transport-ws', { headers })
        socket.once('open', () => resolve('open')).once('error', (error) => resolve(error.message))
        socket.once('open', () => socket.close())
      })
    expect(await open({ host })).toContain('404')
    expect(await open({})).toBe('open')
  })
})
