import type { LinkedTask, Run } from './api.ts'
import { bucket, type Folder } from './objects.ts'

/** What one sync of one storage did. */
export interface Outcome {
  title: string
  folder: Folder
  run: Run
  issueCount: number
}

/** Something that was shown is not true. */
export class NotTrue extends Error {}

function check(isTrue: boolean, words: string): void {
  if (!isTrue) throw new NotTrue(words)
}

/**
 * Compares the counters with what lies in the bucket and with each other, and the tasks they speak of with the tasks that
 * the project has.
 * @throws NotTrue
 */
export function checkOutcome(outcomes: Outcome[], tasks: { before: number; after: number }): void {
  for (const { title, folder, run, issueCount } of outcomes) {
    const { listed, created, existed, failed, skipped } = run.counters
    const { expected, objects } = folder
    const sum = created + existed + failed + skipped
    const ended = expected.issues > 0 ? 'COMPLETED_WITH_ERRORS' : 'COMPLETED'
    check(run.status === ended, `${title} ended with ${run.status} (${run.failure ?? 'no failure'}), not ${ended}.`)
    check(listed === objects.size, `${title} listed ${listed} objects, but the bucket has ${objects.size}.`)
    check(listed === sum, `${title} listed ${listed} objects, but accounts for ${sum}.`)
    check(created + existed === expected.tasks, `${title} has ${created + existed} tasks, not ${expected.tasks}.`)
    check(skipped === expected.skipped, `${title} skipped ${skipped} objects, not ${expected.skipped}.`)
    check(failed === issueCount, `${title} counts ${failed} issues, but shows ${issueCount}.`)
    check(failed === expected.issues, `${title} has ${failed} issues, not ${expected.issues}.`)
  }
  const created = outcomes.reduce((sum, { run }) => sum + run.counters.created, 0)
  const all = outcomes.reduce((sum, { folder }) => sum + folder.expected.tasks, 0)
  const { before, after } = tasks
  check(after - before === created, `${created} tasks were created, but the project has ${after - before} more.`)
  check(after === all, `The project has ${after} tasks, but the bucket holds ${all}.`)
}

/**
 * Fetches the picture of a task by its link as a browser would, and compares every byte with the object in the bucket.
 * @throws NotTrue
 */
export async function checkLink(token: string, { task }: LinkedTask, pictures: Folder): Promise<string> {
  const key = imageOf(task.data).slice(`s3://${bucket}/`.length)
  const original = pictures.objects.get(key)!
  const link = imageOf(task.resolvedData)
  const redirect = await fetch(link, { headers: { authorization: `Bearer ${token}` }, redirect: 'manual' })
  const location = redirect.headers.get('location')
  check(redirect.status === 303 && location !== null, `${link} answered with ${redirect.status}, not with a redirect.`)
  const answer = await fetch(location!)
  const bytes = Buffer.from(await answer.arrayBuffer())
  check(answer.ok, `The signed URL of ${key} answered with ${answer.status}.`)
  check(bytes.equals(original), `${key} has ${original.length} bytes, but its link gave ${bytes.length} other ones.`)
  return `303 → signed URL → ${answer.headers.get('content-type')}, ${bytes.length} bytes, the same as in the bucket`
}

/** The picture that the data of a task names: the demo's tasks are JSON objects. */
const imageOf = (data: unknown) => String((data as Record<string, unknown>).image)
