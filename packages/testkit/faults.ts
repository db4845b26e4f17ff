/** Which requests a fault is for (default all), and how many of them it meets (default 1). */
export interface FaultScope<Request> {
  match?: (request: Request) => boolean
  times?: number
}

interface Connection {
  once(event: 'close', listener: () => void): unknown
}

/** A fault that was set. */
export interface SetFault<Request> {
  /** How many requests it has met. */
  readonly hits: number
  /** Resolves when the first request has met it. */
  readonly met: Promise<Request>
  /** Resolves when the client has closed the connection of a request that met it. */
  readonly closed: Promise<void>
  /** Ends the fault; held requests go on. */
  release(): void
}

/** The faults of one server. */
export function createFaults<Request, Fault extends FaultScope<Request>>() {
  const armed: ReturnType<typeof arm<Request, Fault>>[] = []
  return {
    fail(fault: Fault): SetFault<Request> {
      const one = arm<Request, Fault>(fault)
      armed.push(one)
      return one.handle
    },
    /** As `fail`, before the faults that are there already. */
    failFirst(fault: Fault): SetFault<Request> {
      const one = arm<Request, Fault>(fault)
      armed.unshift(one)
      return one.handle
    },
    /** The fault that this request meets, if any; it counts as met. `released` resolves when a held request may go on. */
    meet(request: Request, connection: Connection) {
      const met = armed.find(({ fault, state }) => state.left > 0 && (fault.match?.(request) ?? true))
      met?.meet(request, connection)
      return met && { fault: met.fault, released: met.released }
    },
  }
}

function arm<Request, Fault extends FaultScope<Request>>(fault: Fault) {
  const state = { left: fault.times ?? 1, hits: 0 }
  const met = Promise.withResolvers<Request>()
  const closed = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  const connections = new WeakSet<object>()
  const handle: SetFault<Request> = {
    get hits() {
      return state.hits
    },
    met: met.promise,
    closed: closed.promise,
    release() {
      state.left = 0
      released.resolve()
    },
  }
  return {
    fault,
    state,
    handle,
    released: released.promise,
    meet(request: Request, connection: Connection) {
      state.left--
      state.hits++
      if (!connections.has(connection)) connection.once('close', () => closed.resolve())
      connections.add(connection)
      met.resolve(request)
    },
  }
}
