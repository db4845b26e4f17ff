import type { IncomingMessage } from 'node:http'
import { CloseCode } from 'graphql-ws'
import type { WebSocket } from 'ws'
import { createQuota, type Quota } from '../quota.ts'
import { createBucket } from '../rate.ts'
import { clientAddress } from './client-address.ts'

/** How many WebSockets may be open, and how fast a client may send on one. */
interface SocketSettings {
  max: number
  maxPerToken: number
  messagesPerSecond: number
}

/** The limits of the WebSockets of this process. */
export interface SocketLimits {
  /** True if the process may accept another socket. */
  canAccept(): boolean
  /**
   * Counts an open socket. Closes it with 4429 if the process has too many sockets or the client sends too fast. Sockets that
   * have not authenticated are also limited by address, to a quarter of all sockets.
   */
  track(socket: WebSocket, request: IncomingMessage): void
  /** Counts the socket for the viewer until it closes. Returns false and closes it with 4429 if the viewer has too many. */
  assign(socket: WebSocket, viewer: string): boolean
}

/** graphql-ws uses 4429 for too many ConnectionInit messages. Here it stands for every exceeded limit. */
const close = (socket: WebSocket, reason: string) => socket.close(CloseCode.TooManyInitialisationRequests, reason)

export function createSocketLimits({ max, maxPerToken, messagesPerSecond }: SocketSettings): SocketLimits {
  const refuse = () => new Error('Too many sockets are open.')
  const all: Quota<never> = createQuota({ max, perName: {}, refuse })
  const pending = createQuota({ max, perName: { address: Math.ceil(max / 4) }, refuse })
  const releasePending = new WeakMap<WebSocket, () => void>()
  const perViewer = createQuota({ max: Number.POSITIVE_INFINITY, perName: { viewer: maxPerToken }, refuse })
  return {
    canAccept: () => all.count < max,
    track(socket, request) {
      try {
        const release = pending.take({ address: clientAddress(request) })
        releasePending.set(socket, release)
        socket.once('close', release)
        socket.once('close', all.take({}))
      } catch {
        return close(socket, 'Too many sockets')
      }
      const take = createBucket({ perSecond: messagesPerSecond, burst: 10 * messagesPerSecond })
      socket.on('message', () => {
        if (take() === 0) return
        close(socket, 'Too many messages')
        // Further messages of the client are not read.
        socket.pause()
        setTimeout(() => socket.terminate(), 1_000).unref()
      })
    },
    assign(socket, viewer) {
      releasePending.get(socket)?.()
      try {
        socket.once('close', perViewer.take({ viewer }))
        return true
      } catch {
        close(socket, 'Too many sockets of this token')
        return false
      }
    },
  }
}
