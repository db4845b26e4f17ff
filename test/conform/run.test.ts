import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ListObjectsV2Command } from '@aws-sdk/client-s3'
import { startAzure } from '@sluice/testkit/azure.ts'
import { startGcs } from '@sluice/testkit/gcs.ts'
import { startRedis } from '@sluice/testkit/redis.ts'
import { type S3Server, startS3 } from '@sluice/testkit/s3.ts'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { servers } from '../../conform/real-servers/servers.ts'
import { redactor } from '../../conform/report.ts'
import { conform } from '../../conform/run.ts'
import { placeOf } from '../providers/azure-place.ts'
import { bucketOn } from '../providers/gcs-place.ts'
import { fronted, keyPair, watch } from '../providers/s3-place.ts'
import { graded } from './graded.ts'

let server: S3Server

beforeAll(async () => {
  server = await startS3()
})
afterAll(() => server.stop())

async function keysIn(Bucket: string) {
  const { Contents = [] } = await server.client.send(new ListObjectsV2Command({ Bucket }))
  return Contents.map((object) => object.Key)
}

/** A bucket of the emulator as docs/first-steps.md starts it: it checks no signature. */
async function bare() {
  const running = await servers.fauxqs!()
  onTestFinished(running.stop)
  const [, , endpoint = '', , bucket = ''] = running.argv
  return { endpoint, bucket }
}

const quick = ['what is there', 'listing', 'reading', 'writing', 'giving up', 'signed URLs', 'opaque an']

describe('npm run conform', () => {
  test('grades a server that supports everything A, and leaves the bucket unchanged', async () => {
    const { bucket, endpoint } = await fronted(server, { objects: { 'theirs.txt': 'not to be touched' } })
    const only = quick.flatMap((text) => ['--only', text])
    const { code, verdicts, failing, lines } = await graded({ bucket, endpoint }, only)
    expect(failing).toEqual([])
    expect(verdicts.length).toBeGreaterThan(50)
    expect(verdicts).toContainEqual(expect.stringMatching(/^works {2}listing +a prefix is taken literally +\d+ ms$/))
    expect(lines).toContain(`signed URLs             4 of 4`)
    expect(lines.at(-1)).toBe(`Grade A: ${verdicts.length} of ${verdicts.length} checks work (100 %).`)
    expect(code).toBe(0)
    expect(await keysIn(bucket)).toEqual(['theirs.txt'])
  })

  test('lowers the grade of a server that ignores ranges, and names the missing ability', async () => {
    const { bucket, endpoint, front } = await fronted(server)
    front.fail({ hold: true, match: ({ headers }) => 'range' in headers && !delete headers.range })
    const { code, failing, text } = await graded({ bucket, endpoint }, ['--only', 'reading'])
    expect(failing).toHaveLength(11)
    expect(failing[0]).toMatch(/^FAILS {2}reading +of 10 bytes, the range 2-4 gives 2-4 +\d+ ms {2}.+/)
    expect(failing.every((line) => /range/.test(line))).toBe(true)
    expect(text).toMatch(/Grade F: 8 of 19 checks work \(42 %\)\.$/)
    expect(code).toBe(1)
  })

  test('grades a bucket with Object Lock and a default retention like any other', async () => {
    const { bucket, endpoint } = await fronted(server, { objectLock: true })
    const { failing, verdicts } = await graded({ bucket, endpoint }, ['--only', 'writing'])
    expect(failing).toEqual([])
    expect(verdicts).toContainEqual(expect.stringMatching(/^works {2}writing +a write carries a checksum/))
  })

  test('writes nothing with --read-only, and grades the rest', async () => {
    const objects = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`photos/${n}.txt`, `the text of ${n}`]))
    const { bucket, endpoint, front } = await fronted(server, { objects })
    const seen = watch(front)
    const { code, verdicts, failing } = await graded({ bucket, endpoint }, ['--read-only', '--prefix', 'photos/'])
    expect(failing).toEqual([])
    expect(verdicts).toHaveLength(12)
    expect(code).toBe(0)
    expect(new Set(seen.map((request) => request.method))).toEqual(new Set(['GET']))
  })

  test('gives no grade if it cannot list, and says why without the secret', async () => {
    const place = await fronted(server)
    const { code, lines } = await graded(place, ['--secret-access-key', 'mistyped-secret'])
    expect(lines).toEqual([expect.stringMatching(/^No check could run\. BAD_CREDENTIALS: /)])
    expect(lines[0]).not.toContain('mistyped-secret')
    expect(code).toBe(2)
  })

  test('prints no secret that a server repeats', async () => {
    const { bucket, endpoint, front } = await fronted(server)
    const body = `<Error><Code>Odd</Code><Message>${keyPair.secretAccessKey} ${encodeURIComponent(keyPair.secretAccessKey)}</Message></Error>`
    const match = ({ method }: { method: string }) => method === 'PUT'
    front.fail({
      times: Infinity,
      match,
      answer: { status: 400, headers: { 'content-type': 'application/xml' }, body },
    })
    const { failing, text } = await graded({ bucket, endpoint }, ['--only', 'a whole object'])
    expect(failing[0]).toMatch(/UNEXPECTED_ANSWER: .*\(status 400, an unknown code\)/)
    for (const secret of Object.values(keyPair)) expect(text).not.toContain(secret)
  })

  test.for(['any', 'data', 'one'])('does not mask the short secret %j inside its own text', async (secret) => {
    const place = await bare()
    const argv = ['--access-key-id', secret, '--secret-access-key', secret, '--only', 'listing']
    const { verdicts, text } = await graded(place, argv)
    expect(text).not.toContain('•••')
    expect(text).toContain('a listing starts after any string, known or not, in the order of bytes')
    expect(verdicts.length).toBeGreaterThan(10)
  })

  test('masks a secret in text from a server, a short one only as a whole word', () => {
    const redact = redactor({ accessKeyId: 'any', secretAccessKey: 'p/w+long-enough' })
    expect(redact('any, many, company any-1 "any"')).toBe('•••, many, company •••-1 "•••"')
    expect(redact('xp/w+long-enoughx p%2Fw%2Blong-enough')).toBe('x•••x •••')
  })

  test('attributes each failure of the emulator in docs/first-steps.md to the server', async () => {
    const place = await bare()
    const argv = [
      '--access-key-id',
      'any',
      '--secret-access-key',
      'any',
      '--only',
      'that was changed',
      '--only',
      'listing',
    ]
    const { failing, text } = await graded(place, argv)
    expect(failing.length).toBeGreaterThan(2)
    expect(text).toContain(
      "What fails is the server's: Sluice passes these checks with servers that do what the cloud's documentation says.",
    )
    expect(text).toContain(`${failing.length} of ${failing.length} failures are known of fauxqs (docs/servers.md):`)
    expect(text).not.toContain('Not known of')
  })

  test('reports failures that are not known of any server', async () => {
    const { bucket, endpoint, front } = await fronted(server)
    front.fail({ hold: true, match: ({ headers }) => 'range' in headers && !delete headers.range })
    const { text } = await graded({ bucket, endpoint }, ['--only', 'reading'])
    expect(text).toMatch(/Not known of [\s\S]*- reading: of 10 bytes, the range 2-4 gives 2-4/)
  })

  test('removes what it wrote when it is stopped early', async () => {
    const { bucket, endpoint } = await fronted(server)
    const controller = new AbortController()
    const { code, verdicts, lines } = await graded({ bucket, endpoint }, ['--only', 'listing'], {
      signal: controller.signal,
      onLine: (line) => line.startsWith('works') && controller.abort(),
    })
    expect(verdicts).toHaveLength(1)
    expect(lines.at(-1)).toBe('Interrupted: not all checks ran.')
    expect(code).toBe(1)
    expect(await keysIn(bucket)).toEqual([])
  })

  const most = ['reading', 'listing', 'writing', 'opaque', 'signed'].flatMap((text) => ['--only', text])

  test.for<{ kind: string; place: () => Promise<{ argv: string[]; stop(): Promise<void> }> }>([
    { kind: 'gcs', place: placeOnGcs },
    { kind: 'azure-blob', place: placeOnAzure },
    { kind: 'redis', place: placeOnRedis },
  ])('grades $kind by the promises of its kind', async ({ kind, place }) => {
    const { argv, stop } = await place()
    onTestFinished(stop)
    const lines: string[] = []
    const code = await conform([kind, ...argv, ...most], { variables: {}, write: (line) => lines.push(line) })
    expect(lines.filter((line) => line.startsWith('FAILS'))).toEqual([])
    expect(lines.at(-1)).toMatch(/^Grade A: [5-9]\d of/)
    expect(code).toBe(0)
  })

  test.for([
    { argv: ['ftp'], says: /^Unknown kind "ftp"\. Use one of: s3/ },
    { argv: ['s3', '--endpoint', 'example'], says: /--bucket: [\s\S]*--endpoint: must be an http/ },
    { argv: ['--bucket', 'abc', '--access-key-id', 'A'], says: /--secret-access-key: is missing/ },
    { argv: ['--bucket', 'abc', 'my-secret'], says: /^An argument has no option\. See --help\.$/ },
    { argv: ['--bucket', 'abc', '--my-secret'], says: /^--my-secret is unknown/ },
  ])('refuses the arguments $argv', async ({ argv, says }) => {
    const lines: string[] = []
    expect(await conform(argv, { variables: {}, write: (line) => lines.push(line) })).toBe(2)
    expect(lines.join('\n')).toMatch(says)
  })

  test('has an exit code and a help text', async () => {
    const script = fileURLToPath(new URL('../../conform/run.ts', import.meta.url))
    const run = (...argv: string[]) =>
      new Promise<{ code: unknown; stdout: string }>((done) =>
        execFile(process.execPath, [script, ...argv], (error, stdout) => done({ code: error?.code ?? 0, stdout })),
      )
    const [help, wrong] = await Promise.all([run('--help'), run('--bucket', 'x')])
    expect(help).toEqual({ code: 0, stdout: expect.stringMatching(/--secret-access-key .* CONFORM_SECRET_ACCESS_KEY/) })
    expect(wrong).toEqual({ code: 2, stdout: expect.stringContaining('--bucket: ') })
  })
})

async function placeOnGcs() {
  const gcs = await startGcs()
  const { bucket, endpoint, serviceAccountJson } = await bucketOn(gcs)
  const argv = ['--bucket', bucket, '--endpoint', endpoint, '--service-account-json', serviceAccountJson]
  return { argv, stop: async () => void (await gcs.stop()) }
}

async function placeOnAzure() {
  const azure = await startAzure()
  const { location } = await placeOf(azure)
  const { account, endpoint, container } = location
  const argv = ['--account', account, '--endpoint', endpoint, '--container', container]
  return { argv: [...argv, '--account-key', azure.accountKey], stop: async () => void (await azure.stop()) }
}

async function placeOnRedis() {
  const redis = await startRedis()
  const argv = ['--host', redis.host, '--port', String(redis.port), '--db', '1']
  return { argv, stop: async () => void (await redis.stop()) }
}
