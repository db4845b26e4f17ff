import type { IncomingMessage } from 'node:http'

/**
 * The address of the client as far as it can be trusted: of the other end of the connection. X-Forwarded-For is ignored, since any
 * client can send it; a setting for trusted proxies belongs here.
 */
export function clientAddress(req: IncomingMessage): string {
  return req.socket.remoteAddress ?? ''
}
