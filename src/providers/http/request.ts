/** A GET as it is written, up to where more headers may follow: written once, it may be sent any number of times. */
export interface PlainGet {
  origin: string
  head: string
}

/** Writes a GET for `path`, as it stands there. Headers go out as given; they must name the host. @throws Error */
export function writeGet(
  { origin, path }: { origin: string; path: string },
  headers: Record<string, string>,
): PlainGet {
  if (/[^\x21-\x7e]/.test(path)) throw new Error('The path cannot be written in a request.')
  return { origin, head: `GET ${path} HTTP/1.1\r\n${Object.entries(headers).map(headerLine).join('')}` }
}

/** Writes a header. @throws Error when it would be more than one */
export function headerLine([name, value]: [string, string]): string {
  if (/[\r\n\0]/.test(value)) throw new Error(`The header ${name} cannot be written in a request.`)
  return `${name}: ${value}\r\n`
}
