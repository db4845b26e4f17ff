import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import type { StorageDirection } from '../entities/storage.ts'
import type { WebhookAction } from '../entities/webhook.ts'
import { type LoggedEvent, readEvents } from '../events/log.ts'
import type { Logger } from '../logger.ts'
import type { Queue } from '../queue/agenda.ts'
import { jobs } from '../queue/jobs.ts'
import { execute } from '../sql.ts'
import { setLastEvent, takeTasks } from './cursors.ts'
import { announcementOf, endsImport, type GlobalId, placeData, writeMessage } from './message.ts'

const eventsPerTurn = 1_000
// Several commits keep the row of the webhook free for others during a long backlog.
const deliveriesPerTurn = 20

/** What `announce` needs. */
export interface AnnounceParts {
  em: EntityManager
  queue: Queue
  globalId: GlobalId
  logger: Logger
}

/**
 * Creates deliveries from the events of each active webhook's project, and enqueues jobs that send them. The position in the event
 * log is committed with the deliveries, so each event becomes one delivery, however many processes do this and wherever one dies.
 */
export async function announce({ em, queue, globalId, logger }: AnnounceParts): Promise<void> {
  const faulty = new Set<number>()
  for (;;) {
    const waiting = await execute(
      em,
      sql<{ id: string }>`
select id from (
  select w.id, row_number() over (partition by w.project_id order by w.last_event, w.id) as turn from webhook w
  where w.active and not w.id = any(${[...faulty]}::bigint[])
    and exists (select 1 from event e where e.project = w.project_id and e.id > w.last_event)) behind
order by turn, id limit ${webhooksPerLook}`,
    )
    if (waiting.length === 0) return
    for (const webhookId of waiting.map(({ id }) => Number(id))) {
      try {
        const made = await em.fork().transactional((tx) => announceTo(tx, globalId, webhookId))
        if (made > 0) await queue.enqueue(jobs.deliverWebhook, { webhookId })
      } catch (err) {
        faulty.add(webhookId)
        logger.warn({ err, webhook: webhookId }, 'a webhook cannot be told yet')
      }
    }
  }
}

// Projects take turns, so that a project with many webhooks or a long backlog does not delay the others.
const webhooksPerLook = 100

/**
 * Processes the events of one transaction; returns the number of new deliveries. It waits while another process has locked the
 * webhook.
 */
async function announceTo(tx: EntityManager, globalId: GlobalId, webhookId: number): Promise<number> {
  const [webhook] = await execute(
    tx,
    sql<{
      project: string
      actions: WebhookAction[]
      last: string
    }>`select project_id as project, actions, last_event as last from webhook where id = ${webhookId} and active for no key update`,
  )
  if (!webhook) return 0
  const events = await readEvents(tx, Number(webhook.last), { project: Number(webhook.project) }, eventsPerTurn)
  const newest = new Map(events.flatMap(({ storage, id }) => (storage === null ? [] : [[storage, id]])))
  let directions: Map<number | null, StorageDirection> | undefined
  const wants = (action: WebhookAction) => webhook.actions.includes(action)
  let last = Number(webhook.last)
  let made = 0
  const add = async (action: WebhookAction, event: LoggedEvent, data: object) => {
    directions ??= await directionsOf(tx, [...newest.keys()])
    const body = writeMessage(action, event.createdAt, {
      ...placeData(globalId, event, directions.get(event.storage)),
      ...data,
    })
    await execute(
      tx,
      sql`insert into webhook_delivery (webhook_id, action, payload) values (${webhookId}, ${action}, ${body})`,
    )
    made++
  }

  for (const event of events) {
    // Each lookup reads all batches of tasks, so only the newest event of a storage needs one.
    const { storage } = event
    if (storage !== null && wants('TASKS_CREATED') && (endsImport(event) || newest.get(storage) === event.id)) {
      for (;;) {
        if (made >= deliveriesPerTurn) {
          await setLastEvent(tx, webhookId, last)
          return made
        }
        const tasks = await takeTasks(tx, { webhookId, storage, rest: endsImport(event) })
        if (tasks.length === 0) break
        await add('TASKS_CREATED', event, { taskIds: tasks.map((task) => globalId('Task', task)) })
      }
    }
    const announcement = announcementOf(tx, event)
    if (announcement && wants(announcement.action)) await add(announcement.action, event, announcement.data)
    last = event.id
  }
  await setLastEvent(tx, webhookId, last)
  return made
}

async function directionsOf(tx: EntityManager, storages: number[]): Promise<Map<number | null, StorageDirection>> {
  const rows = await execute(
    tx,
    sql<{ id: string; direction: StorageDirection }>`select id, direction from storage where id = any(${storages})`,
  )
  return new Map(rows.map(({ id, direction }) => [Number(id), direction]))
}
