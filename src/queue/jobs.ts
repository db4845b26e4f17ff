import { z } from 'zod'

/** A kind of background job: its name in the queue and what it is told. Payloads hold ids only; the job reads the rest itself. */
export interface JobKind<Payload> {
  name: string
  payload: z.ZodType<Payload>
}

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
  /** Sends what is due of one webhook; does nothing while another worker is at it. */
  deliverWebhook: { name: 'deliver-webhook', payload: z.object({ webhookId: z.number().int() }) },
  /** Writes and removes what waits to be exported to one storage. */
  drainOutbox: { name: 'drain-outbox', payload: z.object({ storageId: z.number().int() }) },
} satisfies Record<string, JobKind<never> | JobKind<object>>
