import type { Client } from '@sluice/client'
import { countTasks, issuesOf, type Run, startSync, watchProject } from './api.ts'
import type { Folder } from './objects.ts'
import { showProgress } from './progress.ts'
import { checkOutcome, type Outcome } from './proof.ts'
import { printOutcome } from './show.ts'

/** A storage of the demo, and what it reads from. */
export interface Connected {
  id: string
  title: string
  folder: Folder
}

/**
 * Syncs storages of a project side by side, shows how it goes and what came out, and checks that it is true. Number of
 * tasks created.
 * @throws NotTrue
 */
export async function syncAll(client: Client, projectId: string, storages: Connected[]): Promise<number> {
  const before = await countTasks(client, projectId)
  const runs = await syncAndWatch(client, projectId, storages)
  const outcomes: Outcome[] = []
  for (const { id, title, folder } of storages) {
    const run = runs.get(id)!
    const { total, issues } = await issuesOf(client, run.id)
    for (const { code, key, message } of issues) console.log(`  Issue ${code} in ${key}: ${message}`)
    outcomes.push({ title, folder, run, issueCount: total })
  }
  printOutcome(outcomes)
  const after = await countTasks(client, projectId)
  checkOutcome(outcomes, { before, after })
  console.log(
    `  Checked: listed = created + existed + issues + skipped; the project has ${after} tasks, ${before} before.`,
  )
  return outcomes.reduce((sum, { run }) => sum + run.counters.created, 0)
}

/** Subscribes, starts a sync of each storage and follows them to their ends. The last state of each, by storage. */
async function syncAndWatch(client: Client, projectId: string, storages: Connected[]): Promise<Map<string, Run>> {
  const changes = watchProject(client, projectId)
  await changes.next()
  const runs = new Map<string, Run>()
  for (const { id } of storages) runs.set(id, await startSync(client, id))

  const progress = showProgress(storages.map(({ id, title, folder }) => ({ id, title, total: folder.objects.size })))
  for await (const { storageId, run } of changes) {
    if (run === null || run.id !== runs.get(storageId)?.id) continue
    runs.set(storageId, run)
    progress.show(storageId, run)
    if ([...runs.values()].every(({ status }) => status !== 'QUEUED' && status !== 'IN_PROGRESS')) break
  }
  progress.end()
  return runs
}
