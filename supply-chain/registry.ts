import { createHash } from 'node:crypto'
import type { ImageReference } from './image-reference.ts'

const maxBytes = 4 * 2 ** 20
// An index of all platforms first, so that the digest holds on every machine.
const accept = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ')

/** The registry did not give a digest. The message says why and what to do. */
export class RegistryError extends Error {
  override name = 'RegistryError'
}

/**
 * Asks a registry for the digest of a tag (OCI distribution specification, "Pulling manifests"; anonymous bearer tokens as
 * Docker's "Token authentication" has them). The digest is computed from the manifest that arrives.
 * @param url where the registry answers, such as `https://registry-1.docker.io`
 * @returns `sha256:` and 64 hexadecimal digits
 * @throws RegistryError if the registry cannot be reached, does not know the tag, or sends another digest than its manifest has
 */
export async function digestOf(image: ImageReference, url: string): Promise<string> {
  const manifest = `${url}/v2/${image.repository}/manifests/${image.tag}`
  let response = await get(manifest, { accept })
  if (response.status === 401) {
    const token = await anonymousToken(response, image, url)
    response = await get(manifest, { accept, authorization: `Bearer ${token}` })
  }
  const name = `${image.repository}:${image.tag}`
  if (response.status === 404) throw new RegistryError(`The registry ${url} does not have ${name}.`)
  if (!response.ok) throw new RegistryError(`The registry ${url} answered HTTP ${response.status} for ${name}.`)
  const digest = `sha256:${createHash('sha256')
    .update(await bodyOf(response, url))
    .digest('hex')}`
  const claimed = response.headers.get('docker-content-digest')
  if (claimed && claimed !== digest) {
    throw new RegistryError(`The registry ${url} sent another manifest of ${name} than its digest says. Do not use it.`)
  }
  return digest
}

async function anonymousToken(response: Response, image: ImageReference, url: string): Promise<string> {
  const challenge = response.headers.get('www-authenticate') ?? ''
  const [, realm] = /^Bearer .*\brealm="([^"]+)"/i.exec(challenge) ?? []
  if (!realm || !URL.canParse(realm) || !(realm.startsWith('https:') || url.startsWith('http:'))) {
    throw new RegistryError(`The registry ${url} offers no anonymous access.`)
  }
  const service = /\bservice="([^"]+)"/.exec(challenge)?.[1]
  const from = new URL(realm)
  if (service) from.searchParams.set('service', service)
  from.searchParams.set('scope', `repository:${image.repository}:pull`)
  const granted = await get(from.href, {})
  if (!granted.ok)
    throw new RegistryError(`The registry ${url} gave no token for ${image.repository}: HTTP ${granted.status}.`)
  const answer = JSON.parse((await bodyOf(granted, url)).toString()) as { token?: string; access_token?: string }
  const token = answer.token ?? answer.access_token
  if (!token) throw new RegistryError(`The registry ${url} gave no token for ${image.repository}.`)
  return token
}

async function get(url: string, headers: Record<string, string>): Promise<Response> {
  try {
    return await fetch(url, { headers, redirect: 'error', signal: AbortSignal.timeout(20_000) })
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as { code?: string }
    throw new RegistryError(
      `The registry ${new URL(url).origin} cannot be reached (${code ?? (error as Error).name}). Run this where it can be, or name a mirror: npm run images:pin -- --registry URL`,
    )
  }
}

async function bodyOf(response: Response, url: string): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body ?? []) {
    length += chunk.length
    if (length > maxBytes) throw new RegistryError(`The registry ${url} sent more than ${maxBytes} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
