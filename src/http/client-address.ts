import type { IncomingMessage } from 'node:http'

/**
 * The address of the other end of the connection. X-Forwarded-For is ignored, because any client can send it. A setting for
 * trusted proxies belongs here.
 */
export function clientAddress(req: IncomingMessage): string {
  return req.socket.remoteAddress ?? ''
}
