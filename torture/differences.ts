import type { Outcome, RunOutcome } from './outcome.ts'

const shownLines = 3

/**
 * What is not as it would be without faults, in words; nothing if all is well. `before` runs were undisturbed on both sides.
 */
export function differencesOf(calm: Outcome, tortured: Outcome, before: number): string[] {
  const { tasks, highest, lastInnerId, orphans } = tortured.project
  const disturbed = tortured.runs.slice(before)
  const last = disturbed.at(-1)!
  const calmRun = calm.runs.at(-1)!
  return [
    ...linesBeyond('task', calm.tasks, tortured.tasks),
    ...linesBeyond('complete object', calm.objects, tortured.objects),
    ...linesBeyond('issue', issuesOf(calmRun), issuesOf(last)),
    ...(orphans > 0 ? [`${orphans} tasks have no link`] : []),
    ...(highest !== tasks || lastInnerId !== tasks
      ? [`${tasks} tasks have inner ids up to ${highest}, and the project says ${lastInnerId}`]
      : []),
    ...(last.status !== calmRun.status
      ? [`the last status is ${last.status}, not ${calmRun.status}: ${last.failure}`]
      : []),
    ...counterDifferences(calmRun, disturbed),
    ...(tortured.storage.last_run !== last.id
      ? [`the storage's last run is ${tortured.storage.last_run}, not ${last.id}`]
      : []),
    ...(Number(tortured.storage.last_sync_count) !== last.counters.created
      ? [`the storage's last count is ${tortured.storage.last_sync_count}, not ${last.counters.created}`]
      : []),
    ...tortured.runs.flatMap(unlawfulStates),
  ]
}

const issuesOf = (run: RunOutcome) => run.issues.map(({ line }) => line)

function linesBeyond(what: string, expected: string[], found: string[]): string[] {
  const lines = [
    ...without(expected, found).map((line) => `${what} missing: ${line}`),
    ...without(found, expected).map((line) => `${what} too many: ${line}`),
  ]
  const more = lines.length - shownLines
  return more > 0 ? [...lines.slice(0, shownLines), `… and ${more} more differences of this kind (${what})`] : lines
}

/** The lines of `all` that `others` does not have, or not as often. */
function without(all: string[], others: string[]): string[] {
  const left = new Map<string, number>()
  for (const line of others) left.set(line, (left.get(line) ?? 0) + 1)
  return all.filter((line) => {
    const count = left.get(line) ?? 0
    left.set(line, count - 1)
    return count <= 0
  })
}

/**
 * A run that went on by itself has counted all as an undisturbed one has. When the user had to sync again, the last run has
 * seen the same objects, and all runs together have created the same tasks.
 */
function counterDifferences(calm: RunOutcome, disturbed: RunOutcome[]): string[] {
  const last = disturbed.at(-1)!
  const isOne = disturbed.length === 1
  const created = disturbed.reduce((sum, { counters }) => sum + counters.created!, 0)
  const found: Record<string, number> = { ...last.counters, created }
  const names = Object.keys(calm.counters).filter((name) => isOne || name !== 'existed')
  return names
    .filter((name) => found[name] !== calm.counters[name])
    .map((name) => `the counter ${name} is ${found[name]}, not ${calm.counters[name]}`)
}

const active = ['QUEUED', 'IN_PROGRESS']

/** A step is lawful when it follows the table of states: QUEUED → IN_PROGRESS → QUEUED again, one attempt higher, or an end. */
function isLawful(from: { status: string; attempt: number }, to: { status: string; attempt: number }): boolean {
  if (!active.includes(from.status)) return false
  if (to.status === 'QUEUED') return to.attempt === from.attempt + 1
  if (to.attempt !== from.attempt) return false
  if (to.status === 'IN_PROGRESS') return from.status === 'QUEUED'
  return from.status === 'IN_PROGRESS' || to.status === 'FAILED'
}

function unlawfulStates(run: RunOutcome): string[] {
  const steps = run.states.filter(({ kind }) => kind === 'STATUS')
  const path = steps.map(({ status, attempt }) => `${status} ${attempt}`).join(' → ')
  const found = []
  if (steps[0]?.status !== 'QUEUED') found.push(`run ${run.id} does not begin as QUEUED: ${path}`)
  if (steps.some((to, at) => at > 0 && !isLawful(steps[at - 1]!, to)))
    found.push(`run ${run.id} went an unlawful way: ${path}`)
  if (steps.at(-1)?.status !== run.status) found.push(`run ${run.id} is ${run.status}, but its events say: ${path}`)
  if (active.includes(run.status)) found.push(`run ${run.id} has not ended: ${path}`)
  if (run.states.some(({ listed }, at) => at > 0 && listed < run.states[at - 1]!.listed))
    found.push(`run ${run.id} counted down`)
  const end = run.states.findIndex(({ status }) => !active.includes(status))
  if (end !== -1 && end < run.states.length - 1) found.push(`run ${run.id} has events after its end`)
  return found
}
