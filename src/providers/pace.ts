/**
 * The request and byte limits of one storage, which all processes share. A provider waits here before it sends a request, and
 * before its own timeouts start, so that the wait does not count as a slow response.
 */
export interface Pace {
  /**
   * Waits until one more request with `bytes` of object data may be sent. Undefined if it may be sent at once. Rejects with the
   * reason of `signal`, or with INTERNAL if the database, which keeps the limits, is unavailable for too long.
   */
  request(signal?: AbortSignal, bytes?: number): Promise<void> | undefined
  /** Waits until `bytes` more bytes of an object may be received. Undefined if they may be received at once. */
  receive(bytes: number, signal?: AbortSignal): Promise<void> | undefined
  /** Whether the storage has a byte limit now. */
  readonly limitsBytes: boolean
}

/** For a storage without limits. */
export const noPace: Pace = { request: () => undefined, receive: () => undefined, limitsBytes: false }

/** Who waits: people (resolve links, checks, previews), or runs and exports. Both take turns, so that neither starves. */
export type Lane = 'PEOPLE' | 'RUNS'

/** A storage with its limits. */
export interface LimitedStorage {
  id: number
  maxRequestsPerSecond?: number | null | undefined
  maxBytesPerSecond?: number | null | undefined
}

/** Makes the `Pace` of a storage for one lane. */
export type PaceOf = (storage: LimitedStorage, lane: Lane) => Pace
