import { randomUUID } from 'node:crypto'
import type { StorageDirection } from '../entities/storage.ts'
import { errorTable } from '../errors/table.ts'
import { describeError, type ErrorCode, SluiceError } from '../errors.ts'
import { canStandInUrl } from '../providers/kit/dot-segments.ts'
import { folderOf } from '../providers/kit/folder-of.ts'
import type { ObjectInfo, Provider, ProviderKind } from '../providers/provider.ts'
import { type ProviderName, providers } from '../providers/registry.ts'
import type { Egress } from '../security/egress.ts'
import { toError } from '../unknown.ts'
import { answerSignal, answerTimeoutMs } from './answer-time.ts'
import { beginRead, findObjects, foundMessage, tryObjects } from './check-objects.ts'
import { fetchSigned } from './fetch-signed.ts'
import { hintFor } from './hints.ts'
import { prefixMistake } from './prefix-mistake.ts'

/** The steps of a check, in order. */
export const checkSteps = [
  'CONFIGURATION',
  'EGRESS',
  'REACH',
  'AUTHENTICATE',
  'OPEN',
  'FIND_OBJECT',
  'READ_OBJECT',
  'WRITE_OBJECT',
  'PRESIGN',
  'CLOCK',
] as const
type CheckStepName = (typeof checkSteps)[number]

/** Result of one step. */
export interface CheckStep {
  name: CheckStepName
  status: 'OK' | 'FAILED' | 'SKIPPED'
  code: ErrorCode | null
  message: string
  /** What to do about the error. For a presigned URL that works: what browsers on other sites also need. */
  hint: string | null
  milliseconds: number
}

/** A check that failed, with all its steps. */
export class ConnectionCheckError extends SluiceError {
  readonly steps: CheckStep[]
  constructor(steps: CheckStep[]) {
    const failed = steps.find((step) => step.status === 'FAILED')
    super('CHECK_FAILED', `The connection does not work: ${failed?.message ?? 'unknown fault'}`)
    this.name = 'ConnectionCheckError'
    this.steps = steps
  }
}

/** The storage to check. */
export interface CheckSubject {
  /** IMPORT: objects are listed and read. EXPORT: a probe object is written and removed, unless `skipProbe` is set. */
  direction: StorageDirection
  /** The start of the keys that an export writes. */
  prefix: string
  provider: ProviderName
  /** Opens connections to presigned URLs. */
  egress: Egress
  /** Opens the provider. Rejects with errors of the configuration. */
  open: () => Promise<Provider>
  /** True if a sync would import the object. */
  takes: (object: ObjectInfo) => boolean | Promise<boolean>
  /** Stored globs that match no usual key, each with the reason. */
  deadGlobs?: string[]
  readsTasks: boolean
  /** Write no probe object to an export storage. */
  skipProbe?: boolean
  recursive: boolean
  presigns: boolean
  /** Browsers use another address of the storage than this server, so the check cannot try a presigned URL. */
  publicEndpoint: boolean
}

/** The step that an error of the first contact belongs to. */
const stepOf: Partial<Record<ErrorCode, CheckStepName>> = {
  BLOCKED_ADDRESS: 'EGRESS',
  UNRESOLVABLE_HOST: 'REACH',
  CONNECTION_REFUSED: 'REACH',
  TLS_FAILED: 'REACH',
  TIMEOUT: 'REACH',
  UNREACHABLE: 'REACH',
  THROTTLED: 'REACH',
  CONSOLE_URL: 'REACH',
  UNEXPECTED_ANSWER: 'REACH',
  BAD_CREDENTIALS: 'AUTHENTICATE',
  CLOCK_SKEW: 'AUTHENTICATE',
}

/** The step that a refused permission belongs to, if the refusal comes before the first contact. */
const permissionStep: Partial<Record<ErrorCode, CheckStepName>> = {
  BLOCKED_ADDRESS: 'EGRESS',
  AMBIENT_CREDENTIALS_DISABLED: 'AUTHENTICATE',
}

/**
 * Tries a connection step by step, until the first error. The remaining steps are SKIPPED. Saves nothing, and lists at most one
 * page.
 */
export async function checkConnection(
  subject: CheckSubject,
  /** Timeout of one step in milliseconds. */
  { stepTimeoutMs = answerTimeoutMs }: { stepTimeoutMs?: number } = {},
): Promise<CheckStep[]> {
  const steps: CheckStep[] = []
  const note: Note = (name, status, message, since, { code, hint } = {}) => {
    const milliseconds = Math.round(performance.now() - since)
    const advice = hint ?? (code ? hintFor(code, subject.provider) : null)
    steps.push({ name, status, code: code ?? null, message, hint: advice, milliseconds })
  }
  const attempt: Attempt = async (name, done, work) => {
    const since = performance.now()
    const signal = answerSignal(stepTimeoutMs)
    try {
      const value = await work(signal)
      note(name, 'OK', typeof done === 'string' ? done : done(value), since, { hint: hintOfSuccess(name, subject) })
      return value
    } catch (error) {
      const known = error instanceof SluiceError ? error : undefined
      const code = known?.code ?? (signal.aborted ? 'TIMEOUT' : 'INTERNAL')
      // Opening a provider checks permissions last. If one is refused, the configuration itself is valid.
      const failed = (name === 'CONFIGURATION' && permissionStep[code]) || name
      if (failed !== name && typeof done === 'string') note(name, 'OK', done, since)
      note(failed, 'FAILED', known?.message ?? errorTable[code].message, since, { code, hint: known?.hint })
      throw new Failed(describeError(error))
    }
  }

  let provider: Provider | undefined
  try {
    const opened = await attempt('CONFIGURATION', 'The settings are complete.', subject.open)
    provider = opened
    await firstContact(opened, subject, { note, signal: answerSignal(stepTimeoutMs) })
    if (subject.direction === 'IMPORT') await trySource(opened, subject, { attempt, note })
    else await tryTarget(opened, subject, attempt)
    await compareClocks(opened, attempt)
  } catch (error) {
    if (!(error instanceof Failed)) throw error
  } finally {
    provider?.close()
  }
  const done = new Set(steps.map((step) => step.name))
  for (const name of checkSteps.filter((step) => !done.has(step))) {
    note(name, 'SKIPPED', 'Not needed, or not reached.', performance.now())
  }
  return steps.sort((a, b) => checkSteps.indexOf(a.name) - checkSteps.indexOf(b.name))
}

/** Runs a step. `done` is the message of its success. */
type Attempt = <T>(
  name: CheckStepName,
  done: string | ((value: T) => string),
  work: (signal: AbortSignal) => Promise<T>,
) => Promise<T>

const cannotSignMessage =
  'These credentials cannot sign a URL for one object (a SAS token opens more than one), so objects are streamed through this server.'

const noUrlMessage =
  'All keys that were found have "." or ".." segments, which browsers remove from URLs, so these objects are streamed through this server.'

async function trySource(
  provider: Provider,
  subject: CheckSubject,
  { attempt, note }: { attempt: Attempt; note: Note },
): Promise<void> {
  const { objects } = await attempt('FIND_OBJECT', foundMessage, (signal) => findObjects(provider, subject, signal))
  if (subject.readsTasks) {
    await attempt('READ_OBJECT', 'An object can be read.', (signal) =>
      tryObjects(objects, ({ key }) => beginRead(provider, key, signal)),
    )
  }
  const { presign } = provider
  if (!subject.presigns) return
  if (!presign) return note('PRESIGN', 'SKIPPED', cannotSignMessage, performance.now())
  if (subject.publicEndpoint) return
  const signed = objects.filter(({ key }) => canStandInUrl(key))
  if (signed.length === 0) return note('PRESIGN', 'SKIPPED', noUrlMessage, performance.now())
  const { archivedCode }: ProviderKind = providers[subject.provider]
  await attempt('PRESIGN', 'A signed URL can be fetched.', (signal) =>
    tryObjects(signed, async ({ key }) =>
      fetchSigned(await presign(key, { ttlSeconds: 60 }), { egress: subject.egress, archivedCode, signal }),
    ),
  )
}

async function tryTarget(provider: Provider, { prefix, skipProbe }: CheckSubject, attempt: Attempt): Promise<void> {
  if (skipProbe) return
  await attempt('WRITE_OBJECT', 'An object can be written and removed.', async (signal) => {
    const key = `${folderOf(prefix)}.sluice-probe-${randomUUID()}`
    await provider.write(key, Buffer.from('{}'), { contentType: 'application/json', signal })
    await provider.remove(key, signal)
  })
}

// The clock skew that S3 (RequestTimeTooSkewed), Cloud Storage (signed URLs) and Azure (Authorize with Shared Key) accept.
const mostSkewMs = 15 * 60_000

/** Fails if the clock of this server is wrong. Requests and presigned URLs then fail, now or when nothing corrects the skew. */
async function compareClocks(provider: Provider, attempt: Attempt): Promise<void> {
  const { serverTime } = provider
  if (!serverTime) return
  await attempt(
    'CLOCK',
    'The clocks of this server and of the storage agree, as far as the storage reports its time.',
    async (signal) => {
      const time = await serverTime(signal)
      const aheadMs = Date.now() - (time?.getTime() ?? Date.now())
      if (Math.abs(aheadMs) <= mostSkewMs) return
      const minutes = Math.round(Math.abs(aheadMs) / 60_000)
      const message = `This server's clock is ${minutes} minutes ${aheadMs > 0 ? 'ahead of' : 'behind'} the storage's.`
      throw new SluiceError('CLOCK_SKEW', message)
    },
  )
}

/** Hint for a step that succeeded. */
function hintOfSuccess(name: CheckStepName, { provider, prefix, deadGlobs = [] }: CheckSubject): string | undefined {
  if (name === 'CONFIGURATION') return deadGlobs.length === 0 ? undefined : deadGlobsHint(deadGlobs)
  if (name === 'WRITE_OBJECT') {
    const mistake = prefixMistake(prefix)
    return mistake && `The prefix is taken literally, and names of objects will begin with it: ${mistake}`
  }
  const { corsRule: rule }: ProviderKind = providers[provider]
  return name === 'PRESIGN' && rule ? `Browsers on other origins also need this CORS rule: ${rule}` : undefined
}

const deadGlobsHint = (globs: string[]) =>
  `${globs.length === 1 ? 'This stored pattern matches nothing' : 'These stored patterns match nothing'}, except keys with the same special characters: ${globs.join('; ')}.`

class Failed extends Error {}

type Note = (
  name: CheckStepName,
  status: CheckStep['status'],
  message: string,
  since: number,
  more?: { code?: ErrorCode | undefined; hint?: string | undefined },
) => void

/** Runs four steps with one call of the provider: EGRESS, REACH, AUTHENTICATE and OPEN. */
async function firstContact(
  provider: Provider,
  { prefix }: CheckSubject,
  { note, signal }: { note: Note; signal: AbortSignal },
): Promise<void> {
  const since = performance.now()
  const done: [CheckStepName, string][] = [
    ['EGRESS', 'The server may connect to it.'],
    ['REACH', 'The storage answers.'],
    ['AUTHENTICATE', 'The credentials are accepted.'],
    ['OPEN', 'The bucket or folder can be listed.'],
  ]
  try {
    await provider.check(signal)
    for (const [name, message] of done) note(name, 'OK', message, since)
  } catch (error) {
    const timedOut = toError(error).name === 'TimeoutError'
    const fault = error instanceof SluiceError ? error : new SluiceError(timedOut ? 'TIMEOUT' : 'INTERNAL')
    const failed = stepOf[fault.code] ?? 'OPEN'
    for (const [name, message] of done) {
      if (name === failed) break
      note(name, 'OK', message, since)
    }
    const mistake = fault.code === 'LOCAL_PATH_MISSING' && prefixMistake(prefix.replace(/\/$/, ''))
    const message = mistake ? `There is no folder ${JSON.stringify(prefix)}: ${mistake}` : fault.message
    note(failed, 'FAILED', message, since, fault)
    throw new Failed(describeError(error))
  }
}
