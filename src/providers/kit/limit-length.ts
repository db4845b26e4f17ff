import { Readable } from 'node:stream'
import { SluiceError } from '../../errors.ts'

/**
 * A body that fails with BODY_CUT if the server sends more than the announced `length` bytes, so that an endless body ends. For
 * lengths that HTTP framing does not enforce. The reader must notice missing bytes, as with any body.
 */
export function limitLength(source: Readable, length: number): Readable {
  let seen = 0
  const body = new Readable({
    read: () => source.resume(),
    destroy(error, done) {
      source.destroy()
      done(error)
    },
  })
  source
    .on('data', (chunk: Buffer) => {
      seen += chunk.length
      if (!(seen <= length)) {
        body.destroy(new SluiceError('BODY_CUT', 'The object has more bytes than the storage announced.'))
      } else if (!body.push(chunk)) source.pause()
    })
    .on('end', () => body.push(null))
    .on('error', (cause) => body.destroy(new SluiceError('BODY_CUT', undefined, { cause })))
    .on('close', () => source.readableEnded || body.destroy(new SluiceError('BODY_CUT')))
    .pause()
  return body
}
