/** Says which worker holds a run: writes of an older attempt are refused. */
export interface RunHold {
  id: number
  attempt: number
}

/** The run is held by another worker, or has ended: nothing was written, and nothing more may be. */
export class RunLost extends Error {
  constructor() {
    super('The run has been taken over by another worker, or has ended.')
  }
}
