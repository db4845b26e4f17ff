import { type Agent, type ClientRequest, type IncomingMessage, request } from 'node:http'
import { waitFor } from './wait-for.ts'

/** An answer whose headers are there and whose body waits. */
export interface Download {
  asked: ClientRequest
  answer: IncomingMessage
}

/** Asks for a URL, byte for byte as it is written, and waits for the headers of the answer. */
export async function openDownload(
  url: string,
  { headers = {}, agent }: { headers?: Record<string, string>; agent?: Agent } = {},
): Promise<Download> {
  const asked = ask(url, { headers, ...(agent && { agent }) })
  const [answer] = (await waitFor(asked, 'response')) as [IncomingMessage]
  answer.on('error', () => {})
  return { asked, answer }
}

/** Asks for a URL, byte for byte as it is written, and waits for nothing. */
export function ask(url: string, options: { headers?: Record<string, string>; agent?: Agent } = {}): ClientRequest {
  const { hostname, port } = new URL(url)
  const path = url.slice(url.indexOf('/', 'http://'.length))
  const asked = request({ hostname, port, path, ...options })
  asked.on('error', () => {})
  asked.end()
  return asked
}

/** What became of a body: its bytes, whether its end came, and the fault if it did not. */
export async function outcome(answer: IncomingMessage) {
  const chunks: Buffer[] = []
  answer.on('data', (chunk: Buffer) => chunks.push(chunk))
  const failure = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    answer.once('error', resolve).once('end', () => resolve(undefined))
  })
  return { body: Buffer.concat(chunks), complete: answer.complete, failure: failure?.code }
}
