import { arrayOf, textsOf } from './array-literal.ts'
import type { NewTask } from './new-task.ts'
import type { PageTarget, PageWrite } from './page-write.ts'

/** Parameters `$1` to `$31`, which `countStatement` and `writeStatement` have in common. */
export function countParams(target: PageTarget, { tasks, issues, counts, checkpoint }: PageWrite): unknown[] {
  return [
    target.run,
    target.attempt,
    target.number,
    target.holder,
    target.until,
    checkpoint !== undefined,
    checkpoint?.cursor ?? null,
    checkpoint?.lastKey ?? null,
    checkpoint?.pages ?? 0,
    target.storage,
    tasks.map((t) => t.object.key),
    arrayOf(tasks.map((t) => t.rowGroup)),
    arrayOf(tasks.map((t) => t.row)),
    target.replaces,
    arrayOf(tasks.map((t) => t.object.size)),
    tasks.map((t) => t.object.etag),
    tasks.map((t) => t.object.lastModified?.toISOString() ?? null),
    issues.map((i) => i.key),
    issues.map((i) => i.rowGroup),
    issues.map((i) => i.row),
    issues.map((i) => i.code),
    issues.map((i) => storable(i.message)),
    issues.map((i) => i.retryable),
    counts.listed,
    counts.skipped,
    counts.existed,
    counts.bytesRead,
    tasks.map((t) => t.data),
    textsOf(tasks.map((t) => t.meta)),
    arrayOf(tasks.map((t) => t.allowSkip)),
    // Objects that the diff found new need no second check: nobody else writes to the range.
    tasks.some((t) => !t.isNew),
  ]
}

/** All parameters of `writeStatement`. */
export function writeParams(target: PageTarget, part: PageWrite): unknown[] {
  const { tasks, objects } = part
  return [
    ...countParams(target, part),
    target.project,
    ...labelColumns(tasks),
    ...objectColumns(objects),
    ...timeColumns(tasks),
    target.claimedAt,
  ]
}

function labelColumns(tasks: NewTask[]): unknown[] {
  const predictions = tasks.flatMap((task, at) => task.predictions.map((p) => ({ ...p, at: at + 1 })))
  const annotations = tasks.flatMap((task, at) => task.annotations.map((a) => ({ ...a, at: at + 1 })))
  return [
    predictions.map((p) => p.at),
    predictions.map((p) => p.result),
    predictions.map((p) => p.score),
    predictions.map((p) => p.modelVersion && storable(p.modelVersion)),
    annotations.map((a) => a.at),
    annotations.map((a) => a.result),
    annotations.map((a) => a.wasCancelled),
    annotations.map((a) => a.leadTimeSeconds),
    annotations.map((a) => a.importId),
    annotations.map((a) => a.completedBy && storable(a.completedBy)),
  ]
}

/** Null if no row has a time, which is usual: PostgreSQL then skips the lookup for each row. */
function timeColumns(tasks: NewTask[]): unknown[] {
  const column = (items: { createdAt?: string; updatedAt?: string }[], name: 'createdAt' | 'updatedAt') =>
    items.some((item) => item[name] !== undefined) ? items.map((item) => item[name] ?? null) : null
  const predictions = tasks.flatMap((task) => task.predictions)
  const annotations = tasks.flatMap((task) => task.annotations)
  return [
    column(tasks, 'createdAt'),
    column(tasks, 'updatedAt'),
    column(predictions, 'createdAt'),
    column(annotations, 'createdAt'),
    column(annotations, 'updatedAt'),
  ]
}

function objectColumns(objects: PageWrite['objects']): unknown[] {
  return [
    objects.map((o) => o.object.key),
    objects.map((o) => o.rows),
    objects.map((o) => o.object.size),
    objects.map((o) => o.object.etag),
    objects.map((o) => o.object.lastModified?.toISOString() ?? null),
  ]
}

/** PostgreSQL's `text` cannot store NUL; `json` can store its escape. */
const storable = (text: string) => text.replaceAll('\0', '\ufffd')
