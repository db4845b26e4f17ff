import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { waitFor } from '@sluice/testkit/wait-for.ts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { imagesIn, parseImage } from '../../supply-chain/image-reference.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const files = ['Dockerfile', 'docker-compose.yml']

/** A registry that wants an anonymous token, as Docker Hub does. */
class FakeRegistry {
  url = ''
  requests: string[] = []
  missing: string | undefined
  claimedDigest: string | undefined
  #server: Server | undefined

  manifestOf = (path: string) => JSON.stringify({ schemaVersion: 2, path })
  digestOf = (path: string) => `sha256:${createHash('sha256').update(this.manifestOf(path)).digest('hex')}`

  async start() {
    this.#server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url!, this.url)
      this.requests.push(`${request.method} ${request.url}`)
      if (pathname === '/token') {
        response.end(JSON.stringify({ token: `t-${searchParams.get('service')}-${searchParams.get('scope')}` }))
        return
      }
      const [, repository] = /^\/v2\/(.+)\/manifests\/[^/]+$/.exec(pathname) ?? []
      if (request.headers.authorization !== `Bearer t-fake-repository:${repository}:pull`) {
        response.writeHead(401, { 'www-authenticate': `Bearer realm="${this.url}/token",service="fake"` }).end()
      } else if (this.missing && pathname.includes(this.missing)) {
        response.writeHead(404).end()
      } else {
        response.writeHead(200, { 'docker-content-digest': this.claimedDigest ?? this.digestOf(pathname) })
        response.end(this.manifestOf(pathname))
      }
    }).listen(0, '127.0.0.1')
    await waitFor(this.#server, 'listening')
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }
  stop() {
    this.#server?.close()
    this.#server?.closeAllConnections()
  }
}

describe('npm run images:pin', () => {
  const registry = new FakeRegistry()
  let folder = ''
  const textOf = (name: string) => readFileSync(join(folder, name), 'utf8')
  const run = (url: string) =>
    new Promise<{ code: number; output: string }>((resolve) => {
      const args = [join(root, 'supply-chain/pin-images.ts'), '--folder', folder, '--registry', url]
      execFile(process.execPath, args, (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr })
      })
    })

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-pin-'))
    for (const name of files) cpSync(join(root, name), join(folder, name))
    Object.assign(registry, { requests: [], missing: undefined, claimedDigest: undefined })
    await registry.start()
  })
  afterEach(() => {
    registry.stop()
    rmSync(folder, { recursive: true })
  })

  it('adds the digest to every image, changes nothing else, and can be repeated', async () => {
    const before = files.map(textOf)
    expect((await run(registry.url)).code).toBe(0)
    const after = files.map(textOf)
    const images = after.flatMap((text) => imagesIn(text, ['sluice']))
    expect(images.length).toBeGreaterThan(4)
    for (const image of images) {
      const { repository, tag, digest } = parseImage(image)
      expect(digest, image).toBe(registry.digestOf(`/v2/${repository}/manifests/${tag}`))
    }
    expect(after.map((text) => text.replace(/@sha256:[0-9a-f]{64}/g, ''))).toEqual(
      before.map((text) => text.replace(/@sha256:[0-9a-f]{64}/g, '')),
    )
    expect((await run(registry.url)).code).toBe(0)
    expect(files.map(textOf)).toEqual(after)
  })

  it('asks for official images below library/ and for a token per repository', async () => {
    await run(registry.url)
    expect(registry.requests.filter((one) => one.startsWith('GET /v2/library/node/manifests/'))).toHaveLength(2)
    expect(registry.requests).toContain('GET /token?service=fake&scope=repository%3Alibrary%2Fnode%3Apull')
  })

  it.each([
    ['does not have a tag', { missing: 'postgres' }, /does not have library\/postgres:/],
    ['sends another manifest than its digest', { claimedDigest: `sha256:${'0'.repeat(64)}` }, /Do not use it/],
  ])('writes nothing and fails if the registry %s', async (_name, fault, expected) => {
    Object.assign(registry, fault)
    const before = files.map(textOf)
    const { code, output } = await run(registry.url)
    expect(code).toBe(1)
    expect(output).toMatch(expected)
    expect(output).toContain('Nothing was written.')
    expect(files.map(textOf)).toEqual(before)
  })

  it('says what to do if the registry cannot be reached', async () => {
    registry.stop()
    const before = files.map(textOf)
    const { code, output } = await run(registry.url)
    expect(code).toBe(1)
    expect(output).toContain('cannot be reached (ECONNREFUSED)')
    expect(output).toContain('--registry URL')
    expect(files.map(textOf)).toEqual(before)
  })

  it('refuses an image without an exact version', async () => {
    writeFileSync(join(folder, 'Dockerfile'), 'FROM node:24\n')
    const { code, output } = await run(registry.url)
    expect(code).toBe(1)
    expect(output).toContain('node:24 has no exact version')
  })
})

describe('the name of an image', () => {
  it.each([
    ['node:24.21.0-slim', { registry: 'docker.io', repository: 'library/node', tag: '24.21.0-slim' }],
    ['a/b:1.2', { registry: 'docker.io', repository: 'a/b', tag: '1.2' }],
    ['ghcr.io/a/b:1.2', { registry: 'ghcr.io', repository: 'a/b', tag: '1.2' }],
    ['localhost:5000/b:1.2', { registry: 'localhost:5000', repository: 'b', tag: '1.2' }],
  ])('%s is split into registry, repository and tag', (text, expected) => {
    expect(parseImage(text)).toEqual(expected)
  })

  it.each(['node', 'node:latest', 'node:24', 'ghcr.io/a/b', 'node@sha256:abc'])('%s is refused', (text) => {
    expect(() => parseImage(text)).toThrow(/exact version/)
  })
})
