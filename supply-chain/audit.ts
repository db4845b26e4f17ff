import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { lockFaults, nodeBinaryFaults } from './lock.ts'
import { type Policy, parsePolicy } from './policy.ts'

/** The parts of `npm audit --json` that are read: a report, or the error of the registry. */
interface AuditAnswer {
  vulnerabilities?: Record<string, { name: string; severity: string; via: (string | Advisory)[] }>
  statusCode?: number
  message?: string
}
interface Advisory {
  title: string
  url: string
  range: string
}

const nestedLock = 'node_modules/node/node_modules/.package-lock.json'
const fileOf = (name: string) => new URL(`../${name}`, import.meta.url)
const read = (name: string) => readFileSync(fileOf(name), 'utf8')

// What registries answer that have no such endpoint.
const notOffered = [404, 405, 410, 501]

/** Asks the registry for known vulnerabilities of what is in package-lock.json. */
async function askRegistry(): Promise<AuditAnswer> {
  const npm = spawn('npm', ['audit', '--json'], { stdio: ['ignore', 'pipe', 'ignore'], timeout: 120_000 })
  // npm ends with 1 for vulnerabilities and for errors alike, so only its output tells them apart.
  const output = await text(npm.stdout)
  try {
    return JSON.parse(output)
  } catch {
    return { message: 'npm audit printed no report.' }
  }
}

/** One line for each advisory that the policy does not accept today. */
export function openAdvisories(answer: AuditAnswer, policy: Policy, today: string): string[] {
  const found = Object.values(answer.vulnerabilities ?? {}).flatMap(({ name, severity, via }) =>
    via.flatMap((cause) => (typeof cause === 'string' ? [] : [{ name, severity, ...cause }])),
  )
  const open = found.filter(({ url }) => {
    const accepted = policy.acceptedAdvisories.get(url.split('/').at(-1)!)
    return !accepted || accepted.until < today
  })
  return open.map(({ name, range, severity, title, url }) => `${name} ${range}: ${severity}, ${title} (${url})`)
}

if (import.meta.main) {
  const policy = parsePolicy(read('docs/dependencies.md'))
  const faults = lockFaults(JSON.parse(read('package.json')), JSON.parse(read('package-lock.json')), policy)
  if (existsSync(fileOf(nestedLock))) faults.push(...nodeBinaryFaults(JSON.parse(read(nestedLock)), policy))
  const answer = await askRegistry()
  if (answer.vulnerabilities) {
    const open = openAdvisories(answer, policy, new Date().toISOString().slice(0, 10))
    console.log(`The registry knows ${open.length} vulnerabilities that docs/dependencies.md does not accept.`)
    faults.push(...open)
  } else if (notOffered.includes(answer.statusCode ?? 0)) {
    console.log(
      `The registry offers no audit (HTTP ${answer.statusCode}), so known vulnerabilities were not looked up.`,
    )
    console.log(
      'Only the reviewed versions in docs/dependencies.md were checked. Run it again with a registry that has one.',
    )
  } else {
    const reason = answer.statusCode ? `It answered with HTTP ${answer.statusCode}.` : 'It could not be reached.'
    faults.push(`The registry could not be asked for vulnerabilities. ${reason} Try again.`)
  }
  if (faults.length === 0) {
    console.log(`${policy.reviewed.size} direct dependencies are as reviewed, and every locked package has a hash.`)
  } else {
    for (const fault of faults) console.error(`- ${fault}`)
    process.exitCode = 1
  }
}
