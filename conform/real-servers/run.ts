// Holds the conformance checks against real servers, and what they find against the known differences. See docs/servers.md.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compare, type Difference, isOnPage, readDifferences } from './differences.ts'
import { installDebian } from './install.ts'
import { cleanUp, cleanUpAtExit, newFolder, run, succeed } from './processes.ts'
import { servers } from './servers.ts'

const conformScript = fileURLToPath(new URL('../run.ts', import.meta.url))
const redisName = 'Redis'
const names = [...Object.keys(servers), redisName]

/** What came of one server. */
interface Outcome {
  version: string
  total: number
  /** The checks that fail, as `subject: check`, with the reasons. */
  failing: Map<string, string>
}

async function gradeServer(name: string): Promise<Outcome> {
  const server = await servers[name]!()
  try {
    const file = join(newFolder(), 'verdicts.json')
    const { variables } = server
    const { text } = await run([process.execPath, conformScript, ...server.argv, '--json', file], {
      seconds: 120,
      variables,
    })
    const json = await readFile(file, 'utf8').catch(() => {
      throw new Error(`The conform command graded nothing.\n${text.trim()}`)
    })
    const { checks } = JSON.parse(json) as {
      checks: { subject: string; check: string; works: boolean; reason?: string }[]
    }
    const failing = checks.filter(({ works }) => !works)
    return {
      version: server.version,
      total: checks.length,
      failing: new Map(failing.map(({ subject, check, reason = '' }) => [`${subject}: ${check}`, reason])),
    }
  } finally {
    await server.stop()
  }
}

/** Redis stands for itself, so all of the provider's own tests run on it. */
async function testRedis(): Promise<Outcome> {
  await installDebian(['redis-server'])
  const version = /v=(\S+)/.exec(await succeed(['redis-server', '--version'], { seconds: 20 }))?.[1]
  const file = join(newFolder(), 'tests.json')
  const vitest = ['npx', 'vitest', 'run', 'test/providers/redis.test.ts', '--reporter=json', `--outputFile=${file}`]
  const { code, text } = await run(vitest, { seconds: 120, variables: { SLUICE_TEST_REDIS: 'redis-server' } })
  const report = await readFile(file, 'utf8').catch(() => {
    throw new Error(`The tests did not run.\n${text.trim()}`)
  })
  const { testResults } = JSON.parse(report) as {
    testResults: { assertionResults: { fullName: string; status: string; failureMessages: string[] }[] }[]
  }
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults)
  const failed = tests.filter(({ status }) => status === 'failed')
  if (code !== 0 && failed.length === 0) throw new Error(`The tests failed as a whole.\n${text.trim()}`)
  return {
    version: version ?? 'of unknown version',
    total: tests.filter(({ status }) => status === 'passed' || status === 'failed').length,
    failing: new Map(failed.map(({ fullName, failureMessages }) => [fullName, failureMessages[0] ?? ''])),
  }
}

/** Whether a server is as known; says so in one line, and what is not as known in one each. */
async function report(name: string, differences: Difference[]): Promise<boolean> {
  const start = performance.now()
  try {
    const { version, total, failing } = await (name === redisName ? testRedis() : gradeServer(name))
    const known = differences.filter(({ server }) => server === name)
    const { unknown, vanished } = compare(known, [...failing.keys()])
    const isKnown = total > 0 && unknown.length + vanished.length === 0
    const seconds = Math.round((performance.now() - start) / 1000)
    const result = `${name} ${version}: ${total - failing.size} of ${total}${isKnown ? ' as known' : ''} (${seconds} s)`
    console.log(`${isKnown ? 'ok     ' : 'FAILED '} ${result}`)
    for (const check of unknown)
      console.log(`        not known to fail: ${check}  ${failing.get(check)!.slice(0, 300)}`)
    for (const check of vanished) console.log(`        known to fail, but does not: ${check}`)
    return isKnown
  } catch (error) {
    console.log(`FAILED  ${name}: ${(error as Error).message.replaceAll('\n', '\n        ')}`)
    return false
  }
}

cleanUpAtExit()
// With nothing cached installing takes longer than all the rest.
const minutes = 8
setTimeout(() => {
  console.log(`FAILED  no end after ${minutes} minutes`)
  process.exit(1)
}, minutes * 60_000).unref()
const argv = process.argv.slice(2)
const differences = await readDifferences()
if (argv.includes('--docs')) {
  await isOnPage(differences, { write: true })
  process.exit()
}
const strange = argv.filter((name) => !names.includes(name))
if (strange.length > 0) {
  console.error(`There is no server ${strange.join(', ')}. Name some of: ${names.join(', ')}; or --docs.`)
  process.exit(2)
}
let isGood = await isOnPage(differences)
if (!isGood) console.log('FAILED  docs/servers.md is not as .ci/known-differences.json: run .ci/real-servers --docs')
for (const { server } of differences) {
  if (names.includes(server)) continue
  console.log(`FAILED  .ci/known-differences.json names ${server}, which is not tested`)
  isGood = false
}
// One after another: some checks are about load.
for (const name of argv.length > 0 ? argv : names) {
  if (!(await report(name, differences))) isGood = false
  cleanUp()
}
process.exit(isGood ? 0 : 1)
