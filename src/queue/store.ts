import type { AgendaBackend } from 'agenda'
import { StartupError } from '../config.ts'
import { codeOf, toError } from '../unknown.ts'

/** Stores jobs. It hides all differences between the databases. */
export interface JobStore {
  backend: AgendaBackend
  /** Format of its job ids. An id in another format belongs to a store that was used before. */
  idFormat: RegExp
  /** Rejects if its database does not respond. */
  ping(): Promise<unknown>
  /** Deletes jobs that failed before the given time. */
  removeFailed(before: Date): Promise<unknown>
  close(): Promise<unknown>
}

/** The database of JOBS_URL cannot be used; the message says why, without the password. */
export class JobsUnusable extends StartupError {
  readonly exitCode = 69
  constructor(where: string, cause: unknown) {
    const reason = toError(cause).message || codeOf(cause)
    super(`The database of JOBS_URL (${where}) cannot be used: ${reason}.`, { cause })
  }
}
