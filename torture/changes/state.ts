import type pg from 'pg'

/** A task as the database has it. */
export interface TaskState {
  id: number
  // biome-ignore lint/suspicious/noExplicitAny: the scenarios know what they wrote
  data: any
  links: LinkState[]
  labels: LabelState[]
}

export interface LinkState {
  storage: number
  key: string
  row: number
  /** The `id` beside `data`. */
  envelope: string | null
  rowExists: boolean
  objectExists: boolean
}

export interface LabelState {
  id: number
  /** The first item of its result. */
  name: string
}

/** The tasks of a project with their links and labels, oldest first. */
export async function readTasks(database: pg.Pool, project: number): Promise<TaskState[]> {
  const { rows } = await database.query(
    `select t.id::int, t.data,
       coalesce((select json_agg(json_build_object('storage', l.storage_id, 'key', l.key, 'row', l.row_index,
           'envelope', e.envelope_id, 'rowExists', l.row_exists, 'objectExists', l.object_exists) order by l.id)
         from import_link l left join link_envelope e on e.link_id = l.id
         where l.task_id = t.id and exists (select 1 from storage s where s.id = l.storage_id and s.detached_at is null)), '[]') as links,
       coalesce((select json_agg(json_build_object('id', a.id, 'name', a.result->>0) order by a.id)
         from annotation a where a.task_id = t.id), '[]') as labels
     from task t where t.project_id = $1 order by t.id`,
    [project],
  )
  return rows
}

/** What a run must have counted, by the tasks before and after it. */
export type Recount = Record<'created' | 'moved' | 'missing' | 'deleted', number>

/**
 * Counts what a run of the storage changed between two states, the only run at that time: tasks that are new, links with another
 * key, links that were flagged, and tasks that are gone.
 */
export function recount(before: TaskState[], after: TaskState[], storage: number): Recount {
  const linksOf = ({ links }: TaskState) => links.filter((link) => link.storage === storage)
  const former = new Map(before.map((task) => [task.id, task]))
  const now = new Set(after.map(({ id }) => id))
  const deleted = before.filter(({ id }) => !now.has(id)).length
  const counts = { created: 0, moved: 0, missing: deleted, deleted }
  for (const task of after) {
    const earlier = former.get(task.id)
    if (!earlier) {
      counts.created++
      continue
    }
    const [old] = linksOf(earlier)
    const [link] = linksOf(task)
    if (!old || !link) continue
    if (old.key !== link.key) counts.moved++
    if (old.objectExists && !link.objectExists) counts.missing++
  }
  return counts
}

/** Differences between the counters of a run and a recount, in words. */
export function counterDifferences(run: object, wanted: Partial<Record<string, number>>): string[] {
  return Object.entries(wanted).flatMap(([name, count]) => {
    const counted = Number((run as Record<string, unknown>)[name])
    return counted === count ? [] : [`the counter ${name} is ${counted}, and a recount gives ${count}`]
  })
}
