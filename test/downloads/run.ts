// Downloads objects by presigned and proxied links with other people's clients: the same bytes or an error; see docs/links.md.
import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { createClient } from '@sluice/testkit/client.ts'
import { startS3 } from '@sluice/testkit/s3.ts'
import { createProject, createStorage, sync } from '@sluice/testkit/scenario.ts'
import { tasksOf } from '@sluice/testkit/tasks.ts'
import { startApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { openBrowser } from './browser.ts'
import { type DownloadObject, makeObjects } from './objects.ts'
import { startThrottle } from './throttle.ts'

const usage = `npm run downloads -- [--rounds SIZE:SPEED,…] [--only CLIENT] [--python PYTHON]

Downloads objects through presigned and proxied links with other clients, and checks that each receives the same bytes or an error.
Needs curl, wget, aria2c, ffmpeg, chromium and python3 with venv.
  --rounds SIZE:SPEED,…  object sizes in megabytes, and slow (1.5 MB/s) or fast (default: 9, 40 and 300 MB, each fast and slow)
  --only CLIENT          run only this client
  --python PYTHON        Python with the packages of test/downloads/requirements.txt (default: a new environment)`
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9:fast,9:slow,40:fast,40:slow,300:fast,300:slow' },
    ...{ only: { type: 'string' }, python: { type: 'string' }, help: { type: 'boolean' } },
  },
})
if (values.help) {
  console.log(usage)
  process.exit()
}
const run = promisify(execFile)
const folder = mkdtempSync(join(tmpdir(), 'downloads-'))
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const python = values.python ?? makePython()

function makePython(): string {
  execFileSync('python3', ['-m', 'venv', join(folder, 'env')])
  const made = join(folder, 'env/bin/python')
  execFileSync(made, ['-m', 'pip', 'install', '-q', '-r', join(import.meta.dirname, 'requirements.txt')])
  return made
}

interface Download {
  url: string
  object: DownloadObject
  file: string
}
const browser = await openBrowser()
/** A client saves the bytes, or answers with the hash of what it made of them; it rejects when it notices a fault. */
const inPython = (client: string) => async (download: Download) => {
  const { stdout } = await run(python, [join(import.meta.dirname, 'clients.py'), client, download.url])
  return stdout.trim()
}
const half = ({ object, file }: Download) => writeFileSync(file, object.bytes.subarray(0, object.bytes.length >> 1))
const saved = async (command: string, parameters: string[]) => void (await run(command, parameters))
const clients: Record<string, { of: string; get: (download: Download) => Promise<string | undefined> }> = {
  curl: { of: 'sound.wav', get: ({ url, file }) => saved('curl', ['-sSfL', '-o', file, url]) as Promise<undefined> },
  'curl-resume': {
    of: 'sound.wav',
    async get(download) {
      half(download)
      await saved('curl', ['-sSfL', '-C', '-', '-o', download.file, download.url])
      return undefined
    },
  },
  wget: { of: 'sound.wav', get: ({ url, file }) => saved('wget', ['-q', '-O', file, url]) as Promise<undefined> },
  'wget-resume': {
    of: 'sound.wav',
    async get(download) {
      half(download)
      await saved('wget', ['-q', '-c', '-O', download.file, download.url])
      return undefined
    },
  },
  aria2c: {
    of: 'sound.wav',
    async get({ url, file }) {
      await saved('aria2c', [
        '-q',
        '-x4',
        '-s4',
        '-k1M',
        '--allow-overwrite=true',
        '-d',
        folder,
        '-o',
        file.slice(folder.length + 1),
        url,
      ])
      return undefined
    },
  },
  ffmpeg: {
    of: 'sound.wav',
    async get({ url, file }) {
      await saved('ffmpeg', ['-v', 'error', '-xerror', '-y', '-i', url, '-f', 's16le', '-c', 'copy', file])
      return sha256(readFileSync(file))
    },
  },
  requests: { of: 'sound.wav', get: inPython('requests') },
  'requests-range': { of: 'sound.wav', get: inPython('requests-range') },
  fsspec: { of: 'sound.wav', get: inPython('fsspec') },
  'fsspec-range': { of: 'sound.wav', get: inPython('fsspec-range') },
  'fsspec-blocks': { of: 'sound.wav', get: inPython('fsspec-blocks') },
  pandas: { of: 'table.parquet', get: inPython('pandas') },
  pil: { of: 'picture.ppm', get: inPython('pil') },
  'chromium-audio': { of: 'sound.wav', get: ({ url }) => browser.hear('audio', url) },
  'chromium-video': { of: 'sound.wav', get: ({ url }) => browser.hear('video', url) },
}

const s3 = await startS3()
const app = await startApp(
  readConfig({
    ...{ PORT: '0', DATA_DIR: join(folder, 'data'), LOCAL_FILES_ROOT: join(folder, 'files'), LOG_LEVEL: 'error' },
    ADMIN_TOKEN: 'downloads-admin-token-0123456789',
  }),
)
const client = createClient(app.url, 'downloads-admin-token-0123456789')
let [passed, failed] = [0, 0]
/** A media element does not tell its bytes. */
const played = 'sought, and played to its end'

const tools = Object.entries(clients).filter(([tool]) => !values.only || values.only === tool)

async function playRound(megabytes: number, speed: string): Promise<void> {
  const objects = makeObjects(megabytes, python)
  const table = objects.find(({ name }) => name === 'table.parquet')!
  writeFileSync(join(folder, 'table.parquet'), table.bytes)
  table.contentHash = await inPython('pandas')({ url: join(folder, 'table.parquet'), object: table, file: '' })
  const throttled = async (port: number) =>
    speed === 'slow' ? startThrottle(port, 1_500_000) : { port, stop: () => {} }
  const [ownWay, s3Way] = [await throttled(Number(new URL(app.url).port)), await throttled(s3.port)]
  const name = `round-${megabytes}-${speed}`
  await s3.createBucket(name)
  mkdirSync(join(folder, 'files', name), { recursive: true })
  for (const { name: key, bytes } of objects) {
    await s3.put(name, key, bytes)
    writeFileSync(join(folder, 'files', name, key), bytes)
  }
  const keys = { accessKeyId: 'key', secretAccessKey: 'secret' }
  const bucket = { bucket: name, endpoint: `http://127.0.0.1:${s3.port}`, ...keys }
  const ways: Record<string, Record<string, unknown>> = {
    'S3 presigned': {
      location: { s3: { ...bucket, publicEndpoint: `http://127.0.0.1:${s3Way.port}` } },
      presign: true,
    },
    'S3 proxied': { location: { s3: bucket }, presign: false },
    'local proxied': { location: { localFiles: { path: name } } },
  }
  /** Slow clients wait most of the time, so they wait together. */
  const inTurn = async <T>(list: T[], work: (one: T) => Promise<void>) => {
    if (speed === 'slow') await Promise.all(list.map(work))
    else for (const one of list) await work(one)
  }
  const playWay = async ([way, input]: [string, Record<string, unknown>]) => {
    const projectId = await createProject(client)
    const made = await createStorage(client, { projectId, skipCheck: true, ...input })
    if (!made.storage) throw new Error(`The storage was not created: ${JSON.stringify(made)}`)
    await sync(client, made.storage.id)
    const links = new Map<string, string>()
    for (const { id } of await tasksOf(client, projectId)) {
      const { task } = await client.request('query ($id: ID!) { task(id: $id) { resolvedData(mediaToken: true) } }', {
        id,
      })
      const link = new URL(task.resolvedData.file)
      const uri = Buffer.from(link.searchParams.get('fileuri')!, 'base64url').toString()
      links.set(uri.slice(uri.lastIndexOf('/') + 1), `http://127.0.0.1:${ownWay.port}${link.pathname}${link.search}`)
    }
    const playClient = async ([tool, { of, get }]: (typeof tools)[number]) => {
      const object = objects.find(({ name: one }) => one === of)!
      const file = join(folder, `got-${way.replace(' ', '-')}-${tool}`)
      const url = links.get(of)!
      const started = performance.now()
      const outcome = (await judged(() => get({ url, object, file }), object, file)).replaceAll(url, 'URL')
      const isFine = outcome === 'the same bytes' || outcome === played
      if (isFine) passed++
      else failed++
      rmSync(file, { force: true })
      const seconds = ((performance.now() - started) / 1_000).toFixed(1)
      console.log(
        `${isFine ? 'ok    ' : 'FAILED'}  ${megabytes} MB ${speed}, ${way}, ${tool}: ${outcome} (${seconds} s)`,
      )
    }
    // They give up sooner than the others when the machine is busy.
    const isBrowser = ([tool]: (typeof tools)[number]) => tool.startsWith('chromium')
    await inTurn(tools.filter(isBrowser), playClient)
    await inTurn(
      tools.filter((tool) => !isBrowser(tool)),
      playClient,
    )
  }
  await inTurn(Object.entries(ways), playWay)
  ownWay.stop()
  s3Way.stop()
}

async function judged(get: () => Promise<string | undefined>, { bytes, contentHash }: DownloadObject, file: string) {
  try {
    const hash = await get()
    if (hash === 'played') return played
    if (hash !== undefined)
      return hash === contentHash || hash === sha256(bytes) ? 'the same bytes' : 'OTHER BYTES, silently'
    const got = existsSync(file) ? readFileSync(file) : Buffer.alloc(0)
    return got.equals(bytes) ? 'the same bytes' : `OTHER BYTES, silently: ${got.length} of ${bytes.length}`
  } catch (error) {
    return `an error: ${String((error as Error).message).slice(-300)}`
  }
}

try {
  for (const round of values.rounds.split(',')) {
    const [megabytes, speed] = round.split(':')
    await playRound(Number(megabytes), speed!)
  }
} finally {
  await browser.close()
  await client.close()
  await app.stop()
  await s3.stop()
  rmSync(folder, { recursive: true, force: true })
}
console.log(`${passed} as they should be, ${failed} not`)
process.exit(failed > 0 || passed === 0 ? 1 : 0)
