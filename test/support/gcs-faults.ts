import type { IncomingMessage, ServerResponse } from 'node:http'

/** A request that the emulator has received. */
export interface GcsRequest {
  /** Its name in the JSON API, such as `objects.list` or `objects.get`; `media` reads an object, `signed` by signed URL. */
  operation: string
  method: string
  /** As sent, byte for byte. */
  url: string
  bucket: string
  key: string
  query: URLSearchParams
  headers: IncomingMessage['headers']
}

/** What is done to requests that `match`, for the first `times` of them (default 1). */
export type GcsFault = { match?: (request: GcsRequest) => boolean; times?: number } & (
  | { status: number; reason?: string; message?: string }
  | { answer: { status: number; headers?: Record<string, string>; body: string } }
  | { reset: true }
  | { cutAfterBytes: number }
  | { hold: true }
)

/** A fault that was set. */
export interface SetGcsFault {
  /** How many requests it has met. */
  readonly hits: number
  /** Resolves when the first request has met it. */
  readonly met: Promise<GcsRequest>
  /** Resolves when the client has closed the connection of a request that met it. */
  readonly closed: Promise<void>
  /** Ends the fault; held requests go on. */
  release(): void
}

/** The faults of one server. */
export function createFaults() {
  const armed: ReturnType<typeof arm>[] = []
  return {
    fail(fault: GcsFault): SetGcsFault {
      const one = arm(fault)
      armed.push(one)
      return one.handle
    },
    /** The fault that this request meets, if any; it counts as met. */
    meet(request: GcsRequest, response: ServerResponse) {
      const met = armed.find(({ fault, state }) => state.left > 0 && (fault.match?.(request) ?? true))
      met?.meet(request, response)
      return met
    },
  }
}

function arm(fault: GcsFault) {
  const state = { left: fault.times ?? 1, hits: 0 }
  const met = Promise.withResolvers<GcsRequest>()
  const closed = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  return {
    fault,
    state,
    released: released.promise,
    meet(request: GcsRequest, response: ServerResponse) {
      state.left--
      state.hits++
      response.once('close', () => closed.resolve())
      met.resolve(request)
    },
    handle: {
      get hits() {
        return state.hits
      },
      met: met.promise,
      closed: closed.promise,
      release() {
        state.left = 0
        released.resolve()
      },
    } satisfies SetGcsFault,
  }
}
