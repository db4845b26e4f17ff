import type { LinkedTask } from './api.ts'
import { bucket } from './objects.ts'
import type { Outcome } from './proof.ts'
import type { Stage } from './stage.ts'

/** Prints what the syncs did, as a table. */
export function printOutcome(outcomes: Outcome[]): void {
  const head = ['storage', 'status', 'listed', 'created', 'existed', 'issues', 'skipped', 'seconds']
  const rows = outcomes.map(({ title, run: { status, counters, durationMs } }) => {
    const { listed, created, existed, failed, skipped } = counters
    return [title, status, listed, created, existed, failed, skipped, ((durationMs ?? 0) / 1000).toFixed(2)].map(String)
  })
  const widths = head.map((name, at) => Math.max(name.length, ...rows.map((row) => row[at]!.length)))
  for (const row of [head, ...rows]) {
    const cells = row.map((text, at) => (at < 2 ? text.padEnd(widths[at]!) : text.padStart(widths[at]!)))
    console.log(`  ${cells.join('  ')}`)
  }
}

/** Prints a task with its links, and what came of fetching one. */
export function printTask({ key, task }: LinkedTask, fetched: string): void {
  console.log(`  #${task.innerId} from ${key}
    data          ${JSON.stringify(task.data)}
    resolvedData  ${JSON.stringify(task.resolvedData)}`)
  for (const { modelVersion, score } of task.predictions) {
    console.log(`    prediction    by ${modelVersion}, score ${score}`)
  }
  console.log(`    fetched       ${fetched}`)
}

/** Prints where both servers are. */
export function printWhereToLook({ app, s3, token, dataDir }: Stage): void {
  console.log(`
Both servers keep running:
  GraphiQL     ${app.url}/graphql
  Header       { "authorization": "Bearer ${token}" }
  S3 endpoint  ${s3.endpoint}   bucket ${bucket}, any credentials
  Data folder  ${dataDir}
Press Ctrl-C to stop them.`)
}
