/** The text of a GET request, up to the point where more headers may follow. It can be sent any number of times. */
export interface PlainGet {
  origin: string
  head: string
}

/**
 * Builds the text of a GET request. Sends `path` and `headers` as given; `headers` must include the host.
 * @throws Error if the path has a space, a control character or a character outside ASCII
 */
export function writeGet(
  { origin, path }: { origin: string; path: string },
  headers: Record<string, string>,
): PlainGet {
  if (/[^\x21-\x7e]/.test(path)) throw new Error('The path cannot be written in a request.')
  return { origin, head: `GET ${path} HTTP/1.1\r\n${Object.entries(headers).map(headerLine).join('')}` }
}

/**
 * Builds a header line.
 * @throws Error if the value has a line break or NUL, and so could add another header
 */
export function headerLine([name, value]: [string, string]): string {
  if (/[\r\n\0]/.test(value)) throw new Error(`The header ${name} cannot be written in a request.`)
  return `${name}: ${value}\r\n`
}
