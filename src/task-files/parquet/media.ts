import type { SchemaTree } from 'hyparquet'
import type { Json } from '../../json.ts'
import { contentTypeOf } from '../../providers/content-type.ts'
import { BadValue, type Findings, Omitted } from './bad-value.ts'

/** Whether the field is an image, a sound or a video as Hugging Face's datasets write them: a struct of bytes and path. */
export function isMedia({ children }: SchemaTree): boolean {
  if (children.length !== 2) return false
  const part = (name: string) => {
    const found = children.find(({ element }) => element.name === name)
    const isValue = found?.children.length === 0 && found.element.repetition_type !== 'REPEATED'
    return isValue && found.element.type === 'BYTE_ARRAY' ? found.element : undefined
  }
  const [bytes, path] = [part('bytes'), part('path')]
  const isText = path?.logical_type?.type === 'STRING' || path?.converted_type === 'UTF8'
  return isText && bytes !== undefined && !bytes.logical_type && !bytes.converted_type
}

/** The value of such a field in the file; the bytes as base64. */
export type Media = Record<'bytes' | 'path', Json>

/**
 * The value of such a field in a task: its bytes as a data URL, up to `maxBytes`; without bytes, the path. `column` is the name of
 * the column. More bytes are null in the task, and an issue of the row.
 */
export function inlineMedia(
  media: Media,
  { column, maxBytes, findings }: { column: string; maxBytes: number; findings: Findings },
): Json {
  const { bytes, path } = media
  // A value that is bad makes the row bad.
  if ((path as unknown) instanceof BadValue || (bytes as unknown) instanceof BadValue) return media
  if (typeof bytes !== 'string' || bytes === '') return path
  const size = Buffer.byteLength(bytes, 'base64')
  if (size <= maxBytes) return `data:${typeOf(bytes, path)};base64,${bytes}`
  findings.any = true
  return new Omitted(`the column "${column}" has ${size} bytes`) as unknown as Json
}

// The first bytes of formats that browsers show or play, in hex (MIME Sniffing Standard, "Matching a MIME type pattern").
const signatures: [RegExp, string][] = [
  [/^89504e470d0a1a0a/, 'image/png'],
  [/^ffd8ff/, 'image/jpeg'],
  [/^474946383[79]61/, 'image/gif'],
  [/^52494646.{8}57454250/, 'image/webp'],
  [/^(?:49492a00|4d4d002a)/, 'image/tiff'],
  [/^424d.{8}00000000/, 'image/bmp'],
  [/^.{8}66747970617669(?:66|73)/, 'image/avif'],
  [/^.{8}66747970(?:686569(?:63|78)|6d696631)/, 'image/heic'],
  [/^.{8}667479704d3441/, 'audio/mp4'],
  [/^.{8}667479707174/, 'video/quicktime'],
  [/^.{8}66747970/, 'video/mp4'],
  [/^52494646.{8}57415645/, 'audio/wav'],
  [/^664c6143/, 'audio/flac'],
  [/^4f676753/, 'audio/ogg'],
  [/^(?:494433|ff(?:e[23]|f[23ab]))/, 'audio/mpeg'],
  [/^fff[0189]/, 'audio/aac'],
  [/^1a45dfa3/, 'video/webm'],
  [/^255044462d/, 'application/pdf'],
]

/** The content type that the bytes show, else that of the path if it is of a picture, sound or video. */
function typeOf(base64: string, path: Json): string {
  const head = Buffer.from(base64.slice(0, 32), 'base64').toString('hex')
  const found = signatures.find(([pattern]) => pattern.test(head))
  if (found) return found[1]
  const named = typeof path === 'string' ? contentTypeOf(path) : undefined
  return named && /^(?:image|audio|video)\//.test(named) ? named : 'application/octet-stream'
}
