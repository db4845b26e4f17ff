import { SluiceError } from '../errors.ts'
import { parseUri } from '../providers/uri.ts'

const maxBytes = 8_192
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads the URI in `fileuri`: base64url, or the URI itself in old links. It accepts a path of another tool, such as
 * `/data/upload/1/a.jpg`, because a project can map it. @throws SluiceError VALIDATION
 */
export function readFileuri(fileuri: string | null): string {
  if (!fileuri) throw new SluiceError('VALIDATION', 'The parameter fileuri is missing.')
  if (Buffer.byteLength(fileuri) > maxBytes) throw new SluiceError('VALIDATION', 'The parameter fileuri is too long.')
  const uri = /^[\w-]+=*$/.test(fileuri) ? decode(fileuri) : fileuri
  if (uri === undefined || !(parseUri(uri) || /^\/[^/]/.test(uri)) || uri.includes('\0') || !uri.isWellFormed()) {
    throw new SluiceError('VALIDATION', 'The parameter fileuri contains no storage URI.')
  }
  return uri
}

/** Decodes base64url (RFC 4648 §5), with or without padding. Undefined if the input is not base64url or not UTF-8. */
function decode(encoded: string): string | undefined {
  const bytes = Buffer.from(encoded, 'base64url')
  if (bytes.toString('base64url') !== encoded.replace(/=+$/, '')) return undefined
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}
