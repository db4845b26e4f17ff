import { SluiceError } from '../errors.ts'
import { parseUri } from '../providers/uri.ts'

const maxBytes = 8_192
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The URI behind `fileuri`: base64url, or the URI itself in old links. A URL of another tool that a project may map, such as
 * `/data/upload/1/a.jpg`, counts as one. @throws SluiceError VALIDATION
 */
export function readFileuri(fileuri: string | null): string {
  if (!fileuri) throw new SluiceError('VALIDATION', 'The parameter fileuri is missing.')
  if (Buffer.byteLength(fileuri) > maxBytes) throw new SluiceError('VALIDATION', 'The parameter fileuri is too long.')
  const uri = /^[\w-]+=*$/.test(fileuri) ? decode(fileuri) : fileuri
  if (uri === undefined || !(parseUri(uri) || /^\/[^/]/.test(uri)) || uri.includes('\0') || !uri.isWellFormed()) {
    throw new SluiceError('VALIDATION', 'The parameter fileuri holds no storage URI.')
  }
  return uri
}

/** The text of base64url (RFC 4648 §5), with or without padding; undefined when it is none. */
function decode(encoded: string): string | undefined {
  const bytes = Buffer.from(encoded, 'base64url')
  if (bytes.toString('base64url') !== encoded.replace(/=+$/, '')) return undefined
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}
