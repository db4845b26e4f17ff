import { createSocket } from 'node:dgram'
import { isIP } from 'node:net'
import { waitFor } from '@sluice/testkit/wait-for.ts'
import { bytesOfAddress } from '../../src/security/network.ts'

/** Answers queries for A and AAAA (RFC 1035 §4) on UDP port 53 of a host. `addressOf` is asked once for each pair of queries. */
export async function startNameServer(host: string, addressOf: (name: string, lookup: number) => string) {
  const lookups = new Map<string, number>()
  const socket = createSocket('udp4')
  socket.on('message', (query, from) => {
    const labels: string[] = []
    let at = 12
    for (let length = query[at]!; length > 0; length = query[at]!) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length))
      at += length + 1
    }
    const type = query.readUInt16BE(at + 1)
    const name = labels.join('.').toLowerCase()
    const isA = type === 1
    // The system asks for A first, and for AAAA beside it.
    const lookup = (lookups.get(name) ?? 0) + (isA ? 1 : 0)
    lookups.set(name, lookup)
    const address = addressOf(name, lookup)
    const bytes = isIP(address) === (isA ? 4 : 6) && (isA || type === 28) ? bytesOfAddress(address)! : undefined
    const question = query.subarray(12, at + 5)
    const header = Buffer.from([query[0]!, query[1]!, 0x81, 0x80, 0, 1, 0, bytes ? 1 : 0, 0, 0, 0, 0])
    const record = bytes
      ? Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, bytes.length, ...bytes])
      : Buffer.alloc(0)
    socket.send(Buffer.concat([header, question, record]), from.port, from.address)
  })
  await waitFor(socket.bind(53, host), 'listening')
  return { lookups, stop: () => socket.close() }
}
