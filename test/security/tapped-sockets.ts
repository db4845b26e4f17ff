import { lookup as lookupName } from 'node:dns'
import { isIP, type LookupFunction, Socket, type TcpNetConnectOpts } from 'node:net'

/** A connection that this process wanted to open. */
export interface Dial {
  address: string
  port: number
}

/**
 * Replaces how all sockets of this process connect, whoever opens them: what they would dial is noted, and nothing is dialled but
 * `sink`, a port on this machine that stands in for the addresses in `reachable`. Returns what undoes it.
 */
export function tapSockets({ sink, reachable }: { sink: number; reachable: readonly string[] }) {
  const dials: Dial[] = []
  const original = Socket.prototype.connect as (this: Socket, options: object, done?: () => void) => Socket
  const unreachable = (address: string) => Object.assign(new Error(`tapped: ${address}`), { code: 'EHOSTUNREACH' })

  Socket.prototype.connect = function (this: Socket, ...args: unknown[]) {
    const [options, done] = (Array.isArray(args[0]) ? args[0] : args) as [TcpNetConnectOpts, () => void]
    const { host = 'localhost', port } = options
    const note = (address: string) => {
      dials.push({ address, port: Number(port) })
      return reachable.includes(address)
    }
    if (isIP(host)) {
      if (note(host)) return original.call(this, { ...options, host: '127.0.0.1', port: sink }, done)
      process.nextTick(() => this.destroy(unreachable(host)))
      return this
    }
    const ask = options.lookup ?? (lookupName as LookupFunction)
    const lookup: LookupFunction = (name, { hints, family }, answered) => {
      ask(name, { hints, family, all: true } as never, (error, found) => {
        if (error) return answered(error, '')
        const all = (found as { address: string }[]).map(({ address }) => address)
        // The first that is tried, and those that follow if it fails.
        if (!all.map(note).every(Boolean)) return answered(unreachable(all.join()), '')
        answered(null, [{ address: '127.0.0.1', family: 4 }] as never)
      })
    }
    return original.call(this, { ...options, port: sink, lookup }, done)
  } as typeof Socket.prototype.connect
  return {
    dials,
    restore() {
      Socket.prototype.connect = original as typeof Socket.prototype.connect
    },
  }
}
