import { z } from 'zod'

/** A kind of background job: its name in the queue and what it is told. Payloads hold ids only; the job reads the rest itself. */
export interface JobKind<Payload> {
  name: string
  payload: z.ZodType<Payload>
  /**
   * How long a process that died keeps the job from others (default 30). A repeating job is as good as always in some
   * process's hands, which take it up to a second ahead.
   */
  lockSeconds?: number
}

const sweepLockSeconds = 3

/** Every kind of job. */
export const jobs = {
  /** Runs one import; does nothing unless the run still waits for exactly this attempt. */
  importStorage: {
    name: 'import-storage',
    payload: z.object({ runId: z.number().int(), attempt: z.number().int() }),
  },
  /** Runs one export, with the same guard. */
  exportStorage: {
    name: 'export-storage',
    payload: z.object({ runId: z.number().int(), attempt: z.number().int() }),
  },
  /** Finds runs whose worker or job has vanished, and continues or fails them. */
  sweepRuns: { name: 'sweep-runs', payload: z.object({}), lockSeconds: sweepLockSeconds },
  /** Shortens the event log to what is kept. */
  pruneEvents: { name: 'prune-events', payload: z.object({}) },
  /** Sends what is due of one webhook; does nothing while another worker is at it. */
  deliverWebhook: { name: 'deliver-webhook', payload: z.object({ webhookId: z.number().int() }) },
  /** Announces and sends what was left lying by a process that is gone. */
  sweepWebhooks: { name: 'sweep-webhooks', payload: z.object({}), lockSeconds: sweepLockSeconds },
  /** Shortens the log of webhook deliveries to what is kept. */
  pruneDeliveries: { name: 'prune-deliveries', payload: z.object({}) },
  /** Writes and removes what waits to be exported to one storage. */
  drainOutbox: { name: 'drain-outbox', payload: z.object({ storageId: z.number().int() }) },
  /** Finds storages with exports that are due. */
  sweepOutbox: { name: 'sweep-outbox', payload: z.object({}) },
} satisfies Record<string, JobKind<never> | JobKind<object>>
