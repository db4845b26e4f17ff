/** Identifies one attempt at a run. Every write carries it, and the database refuses writes of an earlier attempt. */
export interface RunLease {
  id: number
  attempt: number
}

/** Another worker has taken over the run, or it has ended. Nothing was written, and the worker must stop. */
export class RunLost extends Error {
  constructor() {
    super('Another worker has taken over the run, or it has ended.')
  }
}
