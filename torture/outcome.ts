import type pg from 'pg'

/** All that a storage's syncs have left behind, without ids and times, as text that can be compared line by line. */
export interface Outcome {
  /** Every task with where it came from, its predictions and its annotations. */
  tasks: string[]
  /** Objects of several rows that count as imported to their end. */
  objects: string[]
  runs: RunOutcome[]
  project: { tasks: number; highest: number; lastInnerId: number; orphans: number }
  storage: { last_run: string; last_sync_count: string | null; synced: boolean }
}

/** One run: how it stands, what it met, and the states that the event log says it went through. */
export interface RunOutcome {
  id: string
  status: string
  attempt: number
  failure: string | null
  counters: Record<string, number>
  issues: { line: string; retryable: boolean }[]
  states: { kind: string; status: string; attempt: number; listed: number }[]
}

const counters = ['listed', 'matched', 'skipped', 'existed', 'created', 'updated', 'missing', 'failed']

/** Reads the outcome for the storage. */
export async function outcomeOf(client: pg.Client, storage: number): Promise<Outcome> {
  const rows = async (text: string) => (await client.query(text, [storage])).rows
  const [tasks, objects, runs, issues, events, [project], [stored]] = [
    await rows(`
      select concat_ws(' ', l.key, l.row_group, l.row_index, l.size, l.etag, l.object_exists, t.data, t.meta, t.allow_skip,
        (select json_agg(concat_ws(' ', p.result, p.score, p.model_version) order by p.id) from prediction p where p.task_id = t.id),
        (select json_agg(concat_ws(' ', a.result, a.was_cancelled, a.lead_time_seconds, a.import_id) order by a.id)
         from annotation a where a.task_id = t.id)) as line
      from import_link l join task t on t.id = l.task_id where l.storage_id = $1 order by l.key, l.row_group, l.row_index`),
    await rows(
      `select concat_ws(' ', key, rows, size, etag, object_exists) as line from imported_object where storage_id = $1 order by key`,
    ),
    await rows(`select * from sync_run where storage_id = $1 order by id`),
    await rows(`
      select i.run_id, i.retryable, concat_ws(' ', i.key, i.row_group, i.row_index, i.code, i.message) as line
      from sync_issue i join sync_run r on r.id = i.run_id where r.storage_id = $1 order by 3`),
    await rows(`
      select run, kind, payload->>'status' as status, (payload->>'attempt')::int as attempt, (payload->>'listed')::int as listed
      from event where storage = $1 and subject_type = 'RUN' order by id`),
    await rows(`
      select count(t.id)::int as tasks, coalesce(max(t.inner_id), 0)::int as highest, p.last_inner_id::int as "lastInnerId",
        count(t.id) filter (where not exists (select 1 from import_link l where l.task_id = t.id))::int as orphans
      from storage s join project p on p.id = s.project_id left join task t on t.project_id = p.id
      where s.id = $1 group by p.id`),
    await rows(`select last_run, last_sync_count, last_sync_at is not null as synced from storage where id = $1`),
  ]
  return {
    tasks: tasks!.map(({ line }) => line),
    objects: objects!.map(({ line }) => line),
    runs: runs!.map((run) => ({
      id: run.id,
      status: run.status,
      attempt: run.attempt,
      failure: run.failure,
      counters: Object.fromEntries(counters.map((name) => [name, Number(run[name])])),
      issues: issues!.filter((issue) => issue.run_id === run.id),
      states: events!.filter((event) => event.run === run.id),
    })),
    project,
    storage: stored,
  }
}
