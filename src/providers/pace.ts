/**
 * The request and byte limits of one storage, which all processes share. A provider asks before it sends a request, outside of its
 * own time limits, so that a wait for the limit is no slow answer.
 */
export interface Pace {
  /**
   * Waits until one more request may be sent, which carries `bytes` of an object. Undefined if it may be sent at once. Rejects with
   * the reason of `signal`, and with INTERNAL if the database, which keeps the limits, is away for too long.
   */
  request(signal?: AbortSignal, bytes?: number): Promise<void> | undefined
  /** Waits until so many more bytes of an object may arrive. Undefined if they may at once. */
  receive(bytes: number, signal?: AbortSignal): Promise<void> | undefined
  /** Whether bytes have a limit at present. */
  readonly limitsBytes: boolean
}

/** The pace of a storage without limits. */
export const noPace: Pace = { request: () => undefined, receive: () => undefined, limitsBytes: false }

/** Who waits: people (resolve links, checks, previews), or runs and exports. Both take turns, so that neither starves. */
export type Lane = 'PEOPLE' | 'RUNS'

/** A storage with its limits, as far as they are known. */
export interface LimitedStorage {
  id: number
  maxRequestsPerSecond?: number | null | undefined
  maxBytesPerSecond?: number | null | undefined
}

/** Makes the pace at which one side uses a storage. */
export type PaceOf = (storage: LimitedStorage, lane: Lane) => Pace
