import { Readable } from 'node:stream'
import { SluiceError } from '../../errors.ts'

/**
 * A body that fails with BODY_CUT when the server sends more than the `length` bytes it announced by other means than the
 * framing of HTTP, so that an endless body ends. Fewer bytes are for the reader to notice, as with any body.
 */
export function cutTo(source: Readable, length: number): Readable {
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
