import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { endianness } from 'node:os'
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises'
import { bytesOfAddress } from '../security/network.ts'

/** How far the peer of a connection has read what was written to it. */
interface SendProgress {
  /** Bytes that the peer has acknowledged since the connection began. */
  read: number
  /** Bytes that this process or the kernel holds, and that the peer has not acknowledged. */
  waiting: number
}

/**
 * Measures how far the peer of a connection has read. Only Linux reports the kernel's send queue (proc(5), /proc/net/tcp,
 * tx_queue); elsewhere it counts as empty. The queues of all connections are read at most once per `intervalMs`, so the result
 * comes after at most that time.
 *
 * Node reports a write as complete when the kernel has accepted it. The kernel accepts megabytes at once, and then nothing
 * until a third of them is acknowledged. Without the send queue, a slow client would look stalled.
 */
export async function sendProgress(socket: Socket, intervalMs: number): Promise<SendProgress> {
  next ??= nextReading(intervalMs)
  const { begins, queues } = next
  await begins
  // These numbers must be older than the queue. If the kernel accepted a write between them, it would count as read.
  const { bytesWritten, writableLength } = socket
  const name = nameOfPeer(socket)
  const queued = (await queues).get(name) ?? 0
  return { read: bytesWritten - writableLength - queued, waiting: writableLength + queued }
}

/** The next reading, until it begins. All connections share it, because a system can have thousands of them. */
let next: { begins: Promise<unknown>; queues: Promise<Map<string, number>> } | undefined
let lastBegan = Number.NEGATIVE_INFINITY

function nextReading(intervalMs: number) {
  const waitMs = Math.max(0, lastBegan + intervalMs - performance.now())
  const begins = sleep(waitMs, undefined, { ref: false }).then(() => {
    lastBegan = performance.now()
    next = undefined
  })
  // All who wait for the beginning go on before the immediate.
  return { begins, queues: begins.then(() => immediate()).then(readQueues) }
}

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

function nameOfPeer({ localPort, remoteAddress, remotePort }: Socket): string {
  if (localPort === undefined || remoteAddress === undefined || remotePort === undefined) return ''
  return nameOf(localPort, `${addressHex(remoteAddress)}:${portHex(remotePort)}`)
}

const nameOf = (localPort: number, peer: string) => `${localPort} ${peer}`
const portHex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0')

/** Formats an address as the table does: 32-bit words in the byte order of the machine. */
function addressHex(address: string): string {
  const bytes = bytesOfAddress(address.replace(/^::ffff:(?=\d+\.)/i, '')) ?? []
  const groups = Array.from({ length: bytes.length / 4 }, (_, n) => bytes.slice(n * 4, n * 4 + 4))
  const ordered = endianness() === 'LE' ? groups.map((word) => word.reverse()) : groups
  return Buffer.from(ordered.flat()).toString('hex').toUpperCase()
}
