import { SluiceError } from '../errors.ts'

/**
 * Why a prefix is probably a mistake, with advice. Undefined if it looks right. Such a prefix is not refused, because keys may
 * contain any character.
 */
export function prefixMistake(prefix: string): string | undefined {
  const [uri, scheme, rest = ''] = /^([a-z][a-z\d+.-]+):\/{1,3}[^/]*\/?([\s\S]*)$/i.exec(prefix) ?? []
  if (uri !== undefined) {
    return `it begins with "${scheme}://", as URIs do. Enter only what follows the bucket: ${quoted(rest)}.`
  }
  if (prefix.startsWith('/')) {
    return `it begins with "/", which keys seldom do. Enter it without: ${quoted(prefix.replace(/^\/+/, ''))}.`
  }
  if (prefix.includes('*')) {
    const stem = prefix.slice(0, prefix.indexOf('*'))
    return `it contains "*", which is no wildcard here. Enter what the keys begin with, ${quoted(stem)}, and select objects by a filter.`
  }
  if (prefix.includes('\\')) {
    return `it contains "\\", while folders end with "/". Enter ${quoted(prefix.replaceAll('\\', '/'))}.`
  }
  if (prefix.trim() !== prefix) {
    return `it begins or ends with white space, which belongs to it. Enter it without: ${quoted(prefix.trim())}.`
  }
  return undefined
}

const quoted = (text: string) => (text === '' ? 'no prefix' : JSON.stringify(text))

/** The error EMPTY_PREFIX. Its message says why the prefix is probably a mistake. */
export function emptyPrefix(prefix: string): SluiceError {
  const mistake = prefixMistake(prefix)
  if (!mistake)
    return new SluiceError('EMPTY_PREFIX', prefix === '' ? 'The bucket or folder has no objects.' : undefined)
  return new SluiceError('EMPTY_PREFIX', `No object was found under the prefix ${JSON.stringify(prefix)}: ${mistake}`)
}
