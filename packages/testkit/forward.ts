import { type Agent, type IncomingMessage, type ServerResponse, request as sendRequest } from 'node:http'

/**
 * Passes a request on to `target`, byte for byte, and its answer back; after `cutAfterBytes` of its body the connection is
 * closed. `body` is the request's body where it was read before.
 */
export function forward(options: {
  incoming: IncomingMessage
  response: ServerResponse
  target: string
  agent: Agent
  cutAfterBytes?: number
  body?: Buffer | undefined
}): void {
  const { incoming, response, target, agent, cutAfterBytes, body } = options
  const { hostname, port } = new URL(target)
  // `path` is what the client sent: a parsed URL would drop `.` and `..` segments and doubled slashes.
  const { method, url: path, headers } = incoming
  const upstream = sendRequest({ hostname, port, method, path, headers, agent }, (answer) => {
    response.writeHead(answer.statusCode!, answer.rawHeaders)
    answer.on('error', () => response.destroy())
    if (cutAfterBytes === undefined) return answer.pipe(response)
    let left = cutAfterBytes
    let isCut = false
    answer.on('data', (chunk: Buffer) => {
      if (isCut) return
      if (left > 0) response.write(chunk.subarray(0, left))
      left -= chunk.length
      isCut = left <= 0
      // Closed in order, since a reset would overtake the bytes before the cut.
      if (isCut) incoming.socket.destroySoon()
    })
    // A body that is shorter is whole; left open, it would keep the connection's next request waiting.
    answer.on('end', () => left > 0 && response.end())
  })
  upstream.on('error', () => response.destroy())
  response.on('close', () => upstream.destroy())
  if (body) upstream.end(body)
  else incoming.pipe(upstream)
}
