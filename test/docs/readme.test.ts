import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { type S3Server, startS3 } from '@sluice/testkit/s3.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { waitFor } from '@sluice/testkit/wait-for.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Sample, samplesOf } from './samples.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (page: string) => readFileSync(join(root, page), 'utf8')
/** In the order in which a newcomer reads them. */
const samples = ['README.md', 'docs/first-steps.md', 'docs/adding-a-provider.md'].flatMap((page) =>
  samplesOf(read(page)),
)

describe('the samples of README.md and docs/, in their order,', () => {
  let app: TestApp
  let s3: S3Server
  let receiver: { port: number; process?: ChildProcess; output: string }
  let cwd: string
  let watched: AsyncGenerator | undefined
  const answers: string[] = []

  beforeAll(async () => {
    cwd = mkdtempSync(join(tmpdir(), 'sluice-readme-'))
    cpSync(join(root, 'examples/photos'), join(cwd, 'examples/photos'), { recursive: true })
    mkdirSync(join(cwd, 'files'))
    ;[app, s3] = await Promise.all([startTestApp({ LOCAL_FILES_ROOT: join(cwd, 'files') }), startS3()])
    receiver = { port: await freePort(), output: '' }
  })
  afterAll(async () => {
    await watched?.return(undefined)
    receiver?.process?.kill()
    await Promise.all([app?.stop(), s3?.stop()])
    rmSync(cwd, { recursive: true, force: true })
  })

  /** The sample with this run's addresses and token for those of the page. */
  const here = (code: string) =>
    code
      .replaceAll('http://localhost:4000', app.url)
      .replaceAll('http://localhost:4566', s3.endpoint)
      .replaceAll('localhost:5000', `localhost:${receiver.port}`)
      .replaceAll('listen(5000)', `listen(${receiver.port})`)
      .replaceAll('slc_…', app.token)

  async function runShell(code: string): Promise<string> {
    const env = { ...process.env, PATH: `${process.env.PATH}:${standInForCurl(cwd)}` }
    const child = spawn('sh', ['-euc', here(code)], { cwd, env, stdio: ['ignore', 'pipe', 'inherit'] })
    const output = await text(child.stdout)
    expect(child.exitCode ?? 0).toBe(0)
    return output
  }

  async function runGraphql(code: string): Promise<string> {
    if (code.startsWith('subscription')) {
      watched = app.subscribe(here(code))
      return JSON.stringify((await watched.next()).value)
    }
    // A reader looks at tasks after the sync has ended.
    if (code.startsWith('{')) await until(() => hasNoActiveRun(app.databaseUrl))
    return JSON.stringify(await app.request(here(code)))
  }

  const is =
    (...known: string[]) =>
    (code: string) => {
      expect(known).toContain(code)
      return ''
    }
  /** One check of all, in the process that the npm script starts. */
  async function runConform(code: string): Promise<string> {
    const given = here(code).split(' -- ')[1]!.split(' ')
    const args = ['conform/run.ts', ...given, '--only', 'literal']
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
    const output = await text(child.stdout)
    expect(output).toMatch(/grade/i)
    return output
  }

  /** Starts the receiver of the sample before, with the secret that the sample between them gave. */
  async function runReceiver(code: string): Promise<string> {
    const { secret } = JSON.parse(answers.at(-1)!).createWebhook.newWebhook
    const child = spawn('sh', ['-c', `exec env ${code.replace('whsec_…', secret)}`], {
      cwd,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      receiver.output += text
    })
    receiver.process = child
    await until(() => reaches(receiver.port))
    return ''
  }

  const runs: Record<string, (code: string) => Promise<string> | string> = {
    graphql: runGraphql,
    'sh run': runShell,
    'sh conform': runConform,
    'js receiver': (code) => {
      writeFileSync(join(cwd, 'receiver.mjs'), here(code))
      return ''
    },
    'sh receiver': runReceiver,
    // It runs for all samples together, in the form that tests have of it.
    'sh s3': is('npx fauxqs'),
    // The continuous integration and test/main run these.
    'sh commands': is('npm ci && npm start', 'npm ci && npm test', 'npm run demo'),
  }

  const shown = samples.filter(({ info }) => info !== '')
  it.each(shown.map((sample, at) => ({ ...sample, name: `${at + 1}: ${sample.code.split('\n')[0]}` })))(
    'work: $name',
    async ({ info, code }: Sample) => {
      expect(Object.keys(runs)).toContain(info)
      const answer = await runs[info]!(code)
      expect(answer).not.toMatch(/"errors"|"code":|<Error>/)
      answers.push(answer)
    },
  )

  it('open a picture without a header', async () => {
    const [first] = answers.filter((answer) => answer.includes('resolvedData'))
    const links = JSON.parse(first!).project.tasks.edges.map((edge: Edge) => edge.node.resolvedData.file)
    expect(links).toHaveLength(3)
    for (const [at, name] of ['sunset', 'night', 'hills'].entries()) {
      const response = await fetch(links[at])
      expect([response.status, response.headers.get('content-type')]).toEqual([200, 'image/jpeg'])
      const bytes = Buffer.from(await response.arrayBuffer())
      expect(bytes.equals(readFileSync(join(root, `examples/photos/${name}.jpg`))), name).toBe(true)
    }
  })

  it('send the progress of the second sync to the subscriber', async () => {
    const states = []
    do states.push((await watched!.next()).value.storageChanged)
    while (!(states.at(-1).storage?.status === 'COMPLETED' && states.at(-1).run?.counters.created === 3))
    expect(states.at(-1).storage.title).toBe('Questions')
  })

  it('list the tasks of both storages', () => {
    const listed = answers.filter((answer) => answer.includes('totalCount'))
    const { totalCount, edges } = JSON.parse(listed[0]!).project.tasks
    expect(totalCount).toBe(6)
    const places = edges.map(({ node }: Edge) => `${node.link.key} ${node.link.rowIndex}`)
    const ofQuestions = ['two.json 1', 'two.json 0', 'one.json null']
    expect(places).toEqual([...ofQuestions, ...['sunset', 'night', 'hills'].map((name) => `photos/${name}.jpg null`)])
  })

  it('print the last state of the run in the shell', () => {
    const events = answers.find((answer) => answer.includes('event: complete'))!
    expect(events).toContain('"viewer":{"name":"admin"}')
    expect(events).toContain('"status":"COMPLETED","counters":{"listed":2,"created":3}')
  })

  it('receive a webhook, and refuse a forged one', async () => {
    await until(() => receiver.output.endsWith('\n'))
    expect(receiver.output).toMatch(/^msg_[-0-9a-f]+ \{"type":"PING",/)
    const forged = await fetch(`http://localhost:${receiver.port}`, { method: 'POST', body: '{}' })
    expect(forged.status).toBe(401)
  })
})

interface Edge {
  node: { link: { key: string; rowIndex: number | null }; resolvedData: { file: string } }
}

async function hasNoActiveRun(databaseUrl: string): Promise<boolean> {
  return (await query(databaseUrl, "select 1 from sync_run where status in ('QUEUED', 'IN_PROGRESS')")).length === 0
}

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0)
  await waitFor(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await waitFor(server, 'close')
  return port
}

/** Whether somebody listens on a port. */
async function reaches(port: number): Promise<boolean> {
  const socket = connect(port)
  const reached = await waitFor(socket, 'connect').then(
    () => true,
    () => false,
  )
  socket.destroy()
  return reached
}

const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs')).flatMap((name) => (name.endsWith('.md') ? [`docs/${name}`] : [])),
]

describe.each(pages)('%s', (page) => {
  it('names only files and scripts that exist', () => {
    const links = [...read(page).matchAll(/\]\((?!http|#)([^)#]+)/g)].map(([, path]) => path!)
    for (const path of links) expect(existsSync(join(root, dirname(page), path)), path).toBe(true)
    const { scripts } = JSON.parse(read('package.json'))
    for (const [, name] of read(page).matchAll(/npm run ([\w:]+)/g)) expect(Object.keys(scripts)).toContain(name)
  })
})

it('docs/architecture.md names only modules that exist', () => {
  const modules = [...read('docs/architecture.md').matchAll(/^\| \d \| ([^|]+) \|/gm)].flatMap(([, names]) =>
    [...names!.matchAll(/`([^`]+)`/g)].map(([, name]) => `src/${name}`),
  )
  expect(modules.length).toBeGreaterThan(15)
  for (const path of modules) expect(existsSync(join(root, path)), path).toBe(true)
})

it('README.md has at most 700 words outside of code', () => {
  const prose = read('README.md').replace(/^```[\s\S]*?^```$/gm, '')
  expect(prose.split(/\s+/).length).toBeLessThanOrEqual(700)
})

/** A folder with a `curl` for machines that have none. */
function standInForCurl(cwd: string): string {
  const bin = join(cwd, 'bin')
  if (spawnSync('curl', ['--version']).status === 0) return bin
  mkdirSync(bin, { recursive: true })
  const script = fileURLToPath(new URL('./curl.ts', import.meta.url))
  writeFileSync(join(bin, 'curl'), `#!/bin/sh\nexec '${process.execPath}' '${script}' "$@"\n`, { mode: 0o755 })
  return bin
}
