import type { AgendaBackend } from 'agenda'

/** Where jobs are kept. Everything that differs from one kind of database to another is behind this. */
export interface JobStore {
  backend: AgendaBackend
  /** The form of its job ids; an id of another form is of a store that was used before. */
  idForm: RegExp
  /** Rejects when its database does not answer. */
  ping(): Promise<unknown>
  /** Removes the jobs that failed before a time. */
  removeFailed(before: Date): Promise<unknown>
  close(): Promise<unknown>
}

/** The database of JOBS_URL cannot be used; the message says why, without the password. */
export class JobsUnusable extends Error {
  constructor(where: string, cause: unknown) {
    const { message, code } = cause as Error & { code?: string }
    super(`The database of JOBS_URL (${where}) cannot be used: ${message || code}.`, { cause })
  }
}
