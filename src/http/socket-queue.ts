import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { endianness } from 'node:os'
import { bytesOfAddress } from '../security/network.ts'

/**
 * Bytes that the kernel still holds for the peer of a connection: sent to it, and not acknowledged. 0 where the system does
 * not tell (only Linux does: proc(5), /proc/net/tcp, tx_queue). The answer is at most `maxAgeMs` milliseconds old.
 *
 * Node reports that a write is complete when the kernel has taken it. The kernel takes megabytes, and then nothing until a third
 * of them is acknowledged, so a slow client looks as if it had stopped.
 */
export async function socketQueue(socket: Socket, maxAgeMs: number): Promise<number> {
  const { localPort, remoteAddress, remotePort } = socket
  if (localPort === undefined || remoteAddress === undefined || remotePort === undefined) return 0
  if (!last || performance.now() - last.readAt > maxAgeMs) last = { readAt: performance.now(), queues: readQueues() }
  const queues = await last.queues
  return queues.get(nameOf(localPort, `${addressHex(remoteAddress)}:${portHex(remotePort)}`)) ?? 0
}

/** One table for all connections of the process, since a system can have thousands. */
let last: { readAt: number; queues: Promise<Map<string, number>> } | undefined

async function readQueues(): Promise<Map<string, number>> {
  const queues = new Map<string, number>()
  for (const path of ['/proc/self/net/tcp', '/proc/self/net/tcp6']) {
    const table = await readFile(path, 'latin1').catch(() => '')
    for (const line of table.split('\n')) {
      const [, local, remote, , queue] = line.trim().split(/\s+/)
      const bytes = Number.parseInt(queue ?? '', 16)
      // An IPv4 address in IPv6 form is the same address.
      const peer = remote?.replace(/^0{16}(?:0000FFFF|FFFF0000)/, '')
      if (local && peer && bytes > 0) queues.set(nameOf(Number.parseInt(local.split(':')[1]!, 16), peer), bytes)
    }
  }
  return queues
}

const nameOf = (localPort: number, peer: string) => `${localPort} ${peer}`
const portHex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0')

/** An address as the table has it: 32-bit words in the order of the machine. */
function addressHex(address: string): string {
  const bytes = bytesOfAddress(address.replace(/^::ffff:(?=\d+\.)/i, '')) ?? []
  const words = Array.from({ length: bytes.length / 4 }, (_, n) => bytes.slice(n * 4, n * 4 + 4))
  const ordered = endianness() === 'LE' ? words.map((word) => word.reverse()) : words
  return Buffer.from(ordered.flat()).toString('hex').toUpperCase()
}
