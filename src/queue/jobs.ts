import { z } from 'zod'

/** A kind of background job: its name in the queue and what it is told. Payloads hold ids only; the job reads the rest itself. */
export interface JobKind<Payload> {
  name: string
  payload: z.ZodType<Payload>
}

const runPayload = z.object({ runId: z.number().int(), attempt: z.number().int() })

/** Every kind of job. */
export const jobs = {
  /** Runs one import; does nothing unless the run still waits for exactly this attempt. */
  importStorage: {
    name: 'import-storage',
    payload: runPayload,
  },
  /** Runs one export, with the same guard. */
  exportStorage: {
    name: 'export-storage',
    payload: runPayload,
  },
  /** The same work in slots of their own, for projects that have less than their share of the others. */
  importStorageExtra: { name: 'import-storage-extra', payload: runPayload },
  exportStorageExtra: { name: 'export-storage-extra', payload: runPayload },
  /** Sends what is due of one webhook; does nothing while another worker is at it. */
  deliverWebhook: { name: 'deliver-webhook', payload: z.object({ webhookId: z.number().int() }) },
  /** Writes and removes what waits to be exported to one storage. */
  drainOutbox: { name: 'drain-outbox', payload: z.object({ storageId: z.number().int() }) },
} satisfies Record<string, JobKind<never> | JobKind<object>>
