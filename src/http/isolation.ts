/**
 * The policy of every response whose content a browser could run. It gives the content an opaque origin, and forbids scripts,
 * forms, plug-ins and loading anything (CSP Level 3 §6.1.3 and §6.3.2).
 */
export const isolation = "sandbox; default-src 'none'"

/** Additional headers of every response, whatever its status. */
export const guardHeaders = { 'X-Content-Type-Options': 'nosniff', 'Content-Security-Policy': isolation } as const

// RFC 9110 §8.3.1 with §5.6.2 (token) and §5.6.4 (quoted-string). Only one value is accepted, because browsers split a list at
// its commas and use the last value that they understand (Fetch standard, "extract a MIME type").
const token = "[\\w!#$%&'*+.^`|~-]+"
const quoted = '"(?:[\\t \\x21\\x23-\\x5b\\x5d-\\x7e]|\\\\[\\t \\x21-\\x7e])*"'
// Each character can match in one place only, so the regular expression never backtracks over a value.
const parameter = `${token}=(?:${token}|${quoted})[\\t ]*`
const mediaType = new RegExp(`^(${token}/${token})[\\t ]*(?:;[\\t ]*(?:${parameter})?)*$`)
const essence = new RegExp(`^(${token}/${token})[\\t ]*;[\\t \\x21-\\x7e]*$`)
const maxLength = 512

/** Raster images. SVG is missing, because it is a document that can contain scripts. */
const rasterImages = ['apng', 'avif', 'bmp', 'gif', 'heic', 'heif', 'jpeg', 'jxl', 'png', 'tiff', 'webp']
const harmlessTypes: ReadonlySet<string> = new Set([
  ...rasterImages.map((name) => `image/${name}`),
  // Other names for JPEG, BMP and ICO that servers use.
  ...['image/jpg', 'image/pjpeg', 'image/x-ms-bmp', 'image/x-icon', 'image/vnd.microsoft.icon'],
  'application/pdf',
  'application/json',
  'text/plain',
])

/** How a media type is served. */
export interface ServedType {
  /** Value of Content-Type. */
  type: string
  /** True if no browser runs such content or renders it as a document of this origin. It then needs no policy. */
  isHarmless: boolean
}

/**
 * Decides how content of this type is served. Returns null if the value is too long or not a single media type, because
 * browsers may interpret it differently. `multipart/*` becomes `application/octet-stream`, because the parts of
 * multipart/x-mixed-replace are documents that the policy of the response does not cover (observed in Firefox).
 */
export function classifyType(given: string): ServedType | null {
  if (given.length > maxLength) return null
  const valid = mediaType.exec(given)
  // Browsers ignore malformed parameters, so they are removed. After a comma, browsers may find another type.
  const type = valid ? given : given.includes(',') ? undefined : essence.exec(given)?.[1]
  if (type === undefined) return null
  const name = (valid?.[1] ?? type).toLowerCase()
  if (name.startsWith('multipart/')) return { type: 'application/octet-stream', isHarmless: false }
  return { type, isHarmless: /^(audio|video)\//.test(name) || harmlessTypes.has(name) }
}

/**
 * Which sites may embed a response (Fetch standard, Cross-Origin-Resource-Policy). Any site may if a media token in the URL
 * authorized it, because such links are made for embedding. Otherwise only pages of the same site may.
 */
export type EmbeddableBy = 'cross-origin' | 'same-site'
