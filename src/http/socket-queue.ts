import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { endianness } from 'node:os'
import { bytesOfAddress } from '../security/network.ts'

/**
 * Bytes in the kernel's send queue of a connection, which the peer has not acknowledged. Only Linux reports them (proc(5),
 * /proc/net/tcp, tx_queue); elsewhere the result is 0. The result is at most `maxAgeMs` milliseconds old.
 *
 * Node reports a write as complete when the kernel has accepted it. The kernel accepts megabytes at once, and then nothing
 * until a third of them is acknowledged. Without this number, a slow client would look stalled.
 */
export async function socketQueue(socket: Socket, maxAgeMs: number): Promise<number> {
  const { localPort, remoteAddress, remotePort } = socket
  if (localPort === undefined || remoteAddress === undefined || remotePort === undefined) return 0
  if (!last || performance.now() - last.readAt > maxAgeMs) last = { readAt: performance.now(), queues: readQueues() }
  const queues = await last.queues
  return queues.get(nameOf(localPort, `${addressHex(remoteAddress)}:${portHex(remotePort)}`)) ?? 0
}

/** The last table that was read. All connections of the process share it, because a system can have thousands of them. */
let last: { readAt: number; queues: Promise<Map<string, number>> } | undefined

async function readQueues(): Promise<Map<string, number>> {
  const queues = new Map<string, number>()
  for (const path of ['/proc/self/net/tcp', '/proc/self/net/tcp6']) {
    const table = await readFile(path, 'latin1').catch(() => '')
    for (const line of table.split('\n')) {
      const [, local, remote, , queue] = line.trim().split(/\s+/)
      const bytes = Number.parseInt(queue ?? '', 16)
      // An IPv4-mapped IPv6 address is the same address as its IPv4 form.
      const peer = remote?.replace(/^0{16}(?:0000FFFF|FFFF0000)/, '')
      if (local && peer && bytes > 0) queues.set(nameOf(Number.parseInt(local.split(':')[1]!, 16), peer), bytes)
    }
  }
  return queues
}

const nameOf = (localPort: number, peer: string) => `${localPort} ${peer}`
const portHex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0')

/** Formats an address as the table does: 32-bit words in the byte order of the machine. */
function addressHex(address: string): string {
  const bytes = bytesOfAddress(address.replace(/^::ffff:(?=\d+\.)/i, '')) ?? []
  const words = Array.from({ length: bytes.length / 4 }, (_, n) => bytes.slice(n * 4, n * 4 + 4))
  const ordered = endianness() === 'LE' ? words.map((word) => word.reverse()) : words
  return Buffer.from(ordered.flat()).toString('hex').toUpperCase()
}
