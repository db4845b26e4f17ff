import type { IncomingMessage } from 'node:http'

/**
 * What the host of a request serves. `ALL`: everything, with every credential. `LINKS`: only resolve links, authorized by a
 * media token or a bearer token. Links have another origin than the dashboard, so that content of a bucket never runs in the
 * origin of a session. Session cookies must not be accepted there.
 */
type HostRole = 'ALL' | 'LINKS'

/** Returns the role of the host that a request was sent to. */
export type RoleOfHost = (req: IncomingMessage) => HostRole

const defaultPort: Record<string, string> = { 'http:': '80', 'https:': '443' }

/**
 * Compares the Host header (RFC 9110 §7.2) with the host and port of LINKS_URL. Without LINKS_URL, or if it has the host of
 * PUBLIC_URL, every host serves everything.
 */
export function createRoleOfHost(linksUrl: string | undefined, publicUrl: string | undefined): RoleOfHost {
  const links = linksUrl ? new URL(linksUrl) : undefined
  if (!links || (publicUrl && new URL(publicUrl).host === links.host)) return () => 'ALL'
  const hostname = links.hostname.replace(/\.$/, '')
  const port = links.port || defaultPort[links.protocol]!
  return ({ headers }) => {
    const [, name = '', given] = /^(.*?)\.?(?::(\d*))?$/.exec((headers.host ?? '').toLowerCase()) ?? []
    return name === hostname && Number(given || port) === Number(port) ? 'LINKS' : 'ALL'
  }
}
