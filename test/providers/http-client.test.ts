import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { buffer, text } from 'node:stream/consumers'
import { createServer as createTlsServer, getCACertificates, setDefaultCACertificates } from 'node:tls'
import { makeCertificate } from '@sluice/testkit/certificate.ts'
import { localEgress } from '@sluice/testkit/egress.ts'
import { waitFor } from '@sluice/testkit/wait-for.ts'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createHttpClient } from '../../src/providers/http/client.ts'
import { headerLine, writeGet } from '../../src/providers/http/request.ts'
import type { ReusedBufferBody } from '../../src/providers/http/reused-buffer-body.ts'

const certificate = makeCertificate()
setDefaultCACertificates([...getCACertificates(), certificate.cert])

type Protocol = 'http:' | 'https:'

/** A server of our own words: `answer` is called with each request's head and the socket it came on. */
async function startServer(
  protocol: Protocol,
  answer: (socket: Socket, head: string, connection: number) => void,
  options: Parameters<typeof createHttpClient>[1] = {},
) {
  let connections = 0
  const sockets = new Set<Socket>()
  const listen = (socket: Socket) => {
    const number = ++connections
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    let seen = ''
    socket.on('data', (data) => {
      seen += data.toString('latin1')
      for (let end = seen.indexOf('\r\n\r\n'); end >= 0; end = seen.indexOf('\r\n\r\n')) {
        const head = seen.slice(0, end)
        seen = seen.slice(end + 4)
        answer(socket, head, number)
      }
    })
  }
  const server = protocol === 'https:' ? createTlsServer(certificate, listen) : createServer(listen)
  await waitFor(server.listen(0, '127.0.0.1'), 'listening')
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const client = createHttpClient(localEgress, options)
  onTestFinished(() => {
    client.close()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    get: (path = '/', signal?: AbortSignal) =>
      client.get(writeGet({ origin: `${protocol}//${host}`, path }, { host }), '', signal),
    sockets,
    get connections() {
      return connections
    },
  }
}

const plain = (body: string, more = '') => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}`

/** All bytes of a body that is asked to lend them, as they are when they are given back. */
async function borrow(body: ReusedBufferBody): Promise<string> {
  const taken: string[] = []
  const over = once(body, 'close')
  body.readChunks((chunk, giveBack) => {
    setImmediate(() => {
      taken.push(chunk.toString('latin1'))
      giveBack()
    })
  })
  await over
  if (body.errored) throw body.errored
  return taken.join('')
}

describe.each<Protocol>(['http:', 'https:'])('a client of %s', (protocol) => {
  it('reads a response the same way for any division into packets, with borrowed or copied chunks', async () => {
    let pieces: string[] = []
    const server = await startServer(protocol, async (socket) => {
      for (const piece of pieces) {
        socket.write(piece, 'latin1')
        await new Promise(setImmediate)
      }
    })
    const cuts = fc.array(fc.nat(400), { maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(fc.string({ maxLength: 300 }), cuts, fc.boolean(), async (text_, cuts, isLent) => {
        const body = Buffer.from(text_).toString('latin1')
        const whole = plain(body, 'X-Tag: a\r\nx-tag: b\r\n')
        const at = [0, ...cuts.map((cut) => Math.min(cut, whole.length)).sort((a, b) => a - b), whole.length]
        pieces = at.slice(1).map((end, n) => whole.slice(at[n], end))
        const answer = await server.get()
        expect(answer).toMatchObject({ status: 200, headers: { 'x-tag': 'a, b' } })
        const got = isLent && body ? await borrow(answer.body!) : (await buffer(answer.body!)).toString('latin1')
        expect(got).toBe(body)
      }),
      { numRuns: 150 },
    )
    expect(server.connections).toBe(1)
  })

  it('reuses a connection, unless the server closes it or the body was not read to its end', async () => {
    const server = await startServer(protocol, (socket, head) => {
      const closes = head.includes('/closes')
      socket.write(plain('x'.repeat(200_000), closes ? 'Connection: close\r\n' : ''))
    })
    for (let n = 0; n < 3; n++) expect(await text((await server.get()).body!)).toHaveLength(200_000)
    expect(server.connections).toBe(1)
    expect(await text((await server.get('/closes')).body!)).toHaveLength(200_000)
    expect(await text((await server.get()).body!)).toHaveLength(200_000)
    expect(server.connections).toBe(2)
    ;(await server.get()).body!.destroy()
    expect(await text((await server.get()).body!)).toHaveLength(200_000)
    expect(server.connections).toBe(3)
  })

  it('closes idle connections', async () => {
    const server = await startServer(protocol, (socket) => socket.write(plain('here')), { idleMs: 100 })
    const bodies = await Promise.all([1, 2, 3].map(() => server.get()))
    for (const { body } of bodies) expect(await text(body!)).toBe('here')
    expect(server.sockets.size).toBe(3)
    await expect.poll(() => server.sockets.size).toBe(0)
    expect(await text((await server.get()).body!)).toBe('here')
    await expect.poll(() => server.sockets.size).toBe(0)
  })

  it('reads any number of equal and different heads', async () => {
    let asked = 0
    const server = await startServer(protocol, (socket) =>
      socket.write(plain('x', `X-Same: a\r\nX-Other: ${asked++}\r\n`)),
    )
    for (let n = 0; n < 300; n++) {
      const { headers, body } = await server.get()
      expect([headers['x-same'], headers['x-other'], await text(body!)]).toEqual(['a', String(n), 'x'])
    }
  })

  it('repeats a request on a new connection only if a reused one was closed', async () => {
    const server = await startServer(protocol, (socket, head, connection) => {
      if (head.includes('/never') || (connection === 1 && head.includes('/second'))) socket.destroy()
      else socket.write(plain('here'))
    })
    expect(await text((await server.get('/first')).body!)).toBe('here')
    expect(await text((await server.get('/second')).body!)).toBe('here')
    expect(server.connections).toBe(2)
    await expect(server.get('/never')).rejects.toThrow()
    expect(server.connections).toBe(3)
  })

  it.each([
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx'],
    ['an interim answer', 'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy'],
    ['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx'],
    ['a header without a name', 'HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 1\r\n\r\nx'],
    ['a space before the colon', 'HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\nx'],
    ['a folded header', 'HTTP/1.1 200 OK\r\nX: a\r\n b: c\r\nContent-Length: 1\r\n\r\nx'],
    ['a head without an end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}`],
    ['no HTTP at all', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
  ])('rejects unusual syntax: %s', async (_, answer) => {
    const server = await startServer(protocol, (socket) => socket.write(answer))
    await expect(server.get()).rejects.toThrow()
    await expect.poll(() => server.sockets.size).toBe(0)
  })

  it('returns no body and closes the connection if the response has no Content-Length', async () => {
    const server = await startServer(protocol, (socket, head) =>
      socket.write(
        head.includes('/chunks')
          ? 'HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n'
          : 'HTTP/1.1 200 OK\r\n\r\nx',
      ),
    )
    expect(await server.get('/chunks')).toMatchObject({ status: 404, body: undefined })
    expect(await server.get('/nothing')).toMatchObject({ status: 200, body: undefined })
    expect(server.connections).toBe(2)
    await expect.poll(() => server.sockets.size).toBe(0)
  })

  it.each([true, false])(
    'fails the body with BODY_CUT when the connection breaks off in it (borrowed: %s)',
    async (isLent) => {
      const server = await startServer(protocol, (socket) => {
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf')
      })
      const { body } = await server.get()
      await expect(isLent ? borrow(body!) : text(body!)).rejects.toMatchObject({ code: 'BODY_CUT' })
    },
  )

  it('treats bytes after the end of a response as an error, never as the next response', async () => {
    const server = await startServer(protocol, (socket, _head, connection) =>
      socket.write(connection === 1 ? `${plain('one')}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil` : plain('two')),
    )
    const { body } = await server.get()
    await expect(text(body!)).rejects.toMatchObject({ code: 'BODY_CUT' })
    expect(await text((await server.get()).body!)).toBe('two')
  })

  it('does not overwrite a borrowed chunk, and reads nothing until it is released', async () => {
    const size = 20_000_000
    let socketOfServer: Socket | undefined
    const server = await startServer(protocol, (socket) => {
      socketOfServer = socket
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
      for (let n = 0; n < 20; n++) socket.write(Buffer.alloc(1_000_000, n))
    })
    const { body } = await server.get()
    const lent = Promise.withResolvers<[Buffer, () => void]>()
    let bytes = 0
    body!.readChunks((chunk, giveBack) => {
      bytes += chunk.length
      lent.resolve([chunk, giveBack])
      if (bytes > chunk.length) giveBack()
    })
    const [chunk, giveBack] = await lent.promise
    const before = Buffer.from(chunk)
    // The server has filled what the system holds, and waits.
    let waiting = -1
    while (waiting !== socketOfServer!.writableLength) {
      waiting = socketOfServer!.writableLength
      for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
    }
    expect(waiting).toBeGreaterThan(0)
    expect(bytes).toBe(chunk.length)
    expect(chunk.equals(before)).toBe(true)
    const over = once(body!, 'close')
    giveBack()
    await over
    expect(bytes).toBe(size)
  })

  it('passes every byte unchanged to a slow reader', async () => {
    const sent = randomBytes(3_000_000)
    const server = await startServer(protocol, (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${sent.length}\r\n\r\n`)
      socket.write(sent)
    })
    for (let n = 0; n < 2; n++) {
      const { body } = await server.get()
      const got = await borrow(body!)
      expect(Buffer.from(got, 'latin1').equals(sent)).toBe(true)
    }
    expect(server.connections).toBe(1)
  })

  it('ends request and body with the reason of the signal, and frees the socket', async () => {
    const server = await startServer(protocol, (socket, head) => {
      if (head.includes('/body')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf')
    })
    const [early, late] = [new AbortController(), new AbortController()]
    const asked = server.get('/silent', early.signal)
    await expect.poll(() => server.sockets.size).toBe(1)
    early.abort(new Error('early'))
    await expect(asked).rejects.toThrow('early')
    const { body } = await server.get('/body', late.signal)
    late.abort(new Error('late'))
    await expect(text(body!)).rejects.toThrow('late')
    await expect.poll(() => server.sockets.size).toBe(0)
    await expect(server.get('/', late.signal)).rejects.toThrow('late')
  })

  it('never writes a request that a server would read as two', async () => {
    const server = await startServer(protocol, (socket) => socket.write(plain('x')))
    for (const path of ['/a b', '/a\r\nX: y']) expect(() => server.get(path)).toThrow('cannot be written')
    expect(() => headerLine(['range', 'x\r\ny: z'])).toThrow('cannot be written')
    expect(() => writeGet({ origin: 'http://a', path: '/' }, { host: 'a\n' })).toThrow('cannot be written')
    expect(server.connections).toBe(0)
  })
})
