/** An http(s) URL as it is written: only scheme and host are normalized, and nothing is decoded. */
export interface WebAddress {
  /** `http:` or `https:`. */
  protocol: string
  /** Lower case, without the default port. */
  host: string
  /** Begins with a slash. Without query and fragment. */
  path: string
}

// S3, Google Cloud Storage and Azure return an older version of an object if the URL has one of these parameters.
const versionParameter = /[?&](?:versionId|generation|snapshot)=/i

/**
 * Splits an http(s) URL of an object. Undefined for other text, for a URL with a login, and for one that names a version of its object,
 * because keys name the newest version. Any other query, such as a signature, is ignored.
 */
export function parseWebAddress(url: string): WebAddress | undefined {
  const [, scheme, host, path, query = ''] = /^(https?):\/\/([^/?#\\@\s]+)(\/[^?#]*)(\?[^#]*)?/i.exec(url) ?? []
  if (!scheme || !host || !path || versionParameter.test(query)) return undefined
  const protocol = `${scheme.toLowerCase()}:`
  const defaultPort = protocol === 'https:' ? ':443' : ':80'
  const name = host.toLowerCase()
  return { protocol, host: name.endsWith(defaultPort) ? name.slice(0, -defaultPort.length) : name, path }
}

/** The hosts of endpoints. Ignores undefined and invalid ones. */
export const hostsOf = (...endpoints: (string | undefined)[]): string[] =>
  endpoints.flatMap((url) => (url && URL.canParse(url) ? [new URL(url).host] : []))

/** The encoded key in `<endpoint>/<bucket>/<key>`. Undefined if the address is no such URL. */
export function keyInPath({ protocol, host, path }: WebAddress, endpoint: string, bucket: string): string | undefined {
  if (!URL.canParse(endpoint)) return undefined
  const base = new URL(endpoint)
  const folder = base.pathname.replace(/\/+$/, '')
  if (protocol !== base.protocol || host !== base.host || !path.startsWith(`${folder}/`)) return undefined
  const end = path.indexOf('/', folder.length + 1)
  return end > 0 && unescaped(path.slice(folder.length + 1, end)) === bucket ? path.slice(end + 1) : undefined
}

/** The encoded key in `<bucket>.<endpoint>/<key>`. Undefined if the address is no such URL. */
export function keyInHost({ protocol, host, path }: WebAddress, endpoint: string, bucket: string): string | undefined {
  if (!URL.canParse(endpoint)) return undefined
  const base = new URL(endpoint)
  const isOwn = base.pathname === '/' && protocol === base.protocol && host === `${bucket.toLowerCase()}.${base.host}`
  return isOwn ? path.slice(1) : undefined
}

/** `%24root` is the container `$root`. */
const unescaped = (name: string) => name.replaceAll('%24', '$')
