import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { waitFor } from '@sluice/testkit/wait-for.ts'
import { describe, expect, it } from 'vitest'
import { openAdvisories } from '../../supply-chain/audit.ts'
import { parsePolicy } from '../../supply-chain/policy.ts'

const script = fileURLToPath(new URL('../../supply-chain/audit.ts', import.meta.url))
const bulk = '/-/npm/v1/security/advisories/bulk'

/** Runs `npm run audit` against a registry that answers every audit with this status and body. */
async function audit(status: number, body: unknown) {
  const asked: string[] = []
  const registry = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    request.resume()
    const known = request.method === 'POST'
    response.writeHead(known ? status : 404, { 'content-type': 'application/json' })
    response.end(JSON.stringify(known ? body : { error: 'not found' }))
  }).listen(0, '127.0.0.1')
  await waitFor(registry, 'listening')
  const result = await run(`http://127.0.0.1:${(registry.address() as AddressInfo).port}/`)
  registry.close()
  return { ...result, asked }
}

function run(registry: string): Promise<{ code: number; output: string }> {
  const env = { ...process.env, npm_config_registry: registry, npm_config_fetch_retries: '0' }
  return new Promise((resolve) => {
    execFile(process.execPath, [script], { env }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr })
    })
  })
}

const advisory = {
  id: 1,
  url: 'https://github.com/advisories/GHSA-aaaa-bbbb-cccc',
  title: 'Memory exhaustion',
  severity: 'high',
  vulnerable_versions: '>=8.0.0',
  cwe: [],
  cvss: { score: 7.5, vectorString: null },
}

describe('npm run audit', () => {
  it('asks the registry and succeeds if it knows no vulnerability', async () => {
    const { code, output, asked } = await audit(200, {})
    expect(asked).toContain(`POST ${bulk}`)
    expect(output).toContain('0 vulnerabilities')
    expect(code).toBe(0)
  })

  it('fails for a vulnerability, and names package, severity, title and advisory', async () => {
    const { code, output } = await audit(200, { ws: [advisory] })
    expect(output).toContain(`ws >=8.0.0: high, Memory exhaustion (${advisory.url})`)
    expect(code).toBe(1)
  })

  it.each([404, 405])(
    'reports that the registry offers no audit (HTTP %i), and checks the reviewed versions',
    async (status) => {
      const { code, output } = await audit(status, {})
      expect(output).toContain(`The registry offers no audit (HTTP ${status})`)
      expect(output).toContain('direct dependencies are as reviewed')
      expect(code).toBe(0)
    },
  )

  it('fails if the registry answers with an error, and does not name the registry', async () => {
    const { code, output } = await audit(503, {})
    expect(output).toContain('The registry could not be asked for vulnerabilities. It answered with HTTP 503.')
    expect(output).not.toContain('127.0.0.1')
    expect(code).toBe(1)
  })

  it('fails if the registry cannot be reached', async () => {
    const closed = createServer().listen(0, '127.0.0.1')
    await waitFor(closed, 'listening')
    const { port } = closed.address() as AddressInfo
    closed.close()
    const { code, output } = await run(`http://127.0.0.1:${port}/`)
    expect(output).toContain('It could not be reached.')
    expect(code).toBe(1)
  })
})

describe('an accepted advisory', () => {
  const table = (until: string) =>
    [
      'Licences',
      'Install scripts',
      'Node binaries',
      'Direct dependencies of the server',
      'Direct dependencies of development',
    ]
      .map((heading) => `## ${heading}\n`)
      .concat(
        `## Accepted advisories\n| a | p | u | r |\n| - | - | - | - |\n| GHSA-aaaa-bbbb-cccc | ws | ${until} | r |\n`,
      )
      .join('\n')
  const answer = {
    vulnerabilities: {
      ws: { name: 'ws', severity: 'high', via: [{ title: 'T', url: advisory.url, range: '*' }] },
      'graphql-ws': { name: 'graphql-ws', severity: 'high', via: ['ws'] },
    },
  }

  it('is tolerated until its date, and fails the audit after it', () => {
    expect(openAdvisories(answer, parsePolicy(table('2027-01-31')), '2027-01-31')).toEqual([])
    expect(openAdvisories(answer, parsePolicy(table('2027-01-31')), '2027-02-01')).toHaveLength(1)
  })
})
