import { z } from 'zod'

/** A kind of background job: its name and payload. Payloads contain ids only; the handler reads the rest. */
export interface JobKind<Payload> {
  name: string
  payload: z.ZodType<Payload>
}

const runPayload = z.object({ runId: z.number().int(), attempt: z.number().int() })

/** Every kind of job. */
export const jobs = {
  /** Runs one import. It does nothing unless the run waits for exactly this attempt. */
  importStorage: {
    name: 'import-storage',
    payload: runPayload,
  },
  /** Runs one export, under the same condition. */
  exportStorage: {
    name: 'export-storage',
    payload: runPayload,
  },
  /** The same, in extra slots for projects that have less than their share. */
  importStorageExtra: { name: 'import-storage-extra', payload: runPayload },
  exportStorageExtra: { name: 'export-storage-extra', payload: runPayload },
  /** Sends the due deliveries of one webhook. It does nothing while another worker does this. */
  deliverWebhook: { name: 'deliver-webhook', payload: z.object({ webhookId: z.number().int() }) },
  /** Writes the pending exports of one storage. */
  drainOutbox: { name: 'drain-outbox', payload: z.object({ storageId: z.number().int() }) },
} satisfies Record<string, JobKind<never> | JobKind<object>>
