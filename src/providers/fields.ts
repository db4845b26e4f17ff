import { z } from 'zod'

/**
 * An http:// or https:// URL of an API. It must not have a user name or password, which belong into secrets, and no query or
 * fragment, which requests would drop.
 */
export const apiUrl = (aloneMessage = 'must be the address alone, without ? and #') =>
  z
    .url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' })
    .refine((text) => !/[\s\p{Cc}]/u.test(text), 'must not contain white space or control characters')
    .refine((text) => !/[?#\\]/.test(text), aloneMessage)
    .refine(hasNoLogin, 'must not contain a user name or password: enter them as secrets')

/**
 * Extracts the name from a bucket that was entered as a URI, such as `s3://photos` or `s3://photos/`. A URI with a path stays
 * unchanged, so that it is refused as a name. Otherwise its path would be lost.
 */
export const bareName =
  (...schemes: string[]) =>
  (text: string): string =>
    new RegExp(`^(?:${schemes.join('|')})://([^/]+)/?$`, 'i').exec(text)?.[1] ?? text

/** Text without control characters (Unicode category Cc): no line break can start another command or header. */
export const hasNoControls = (text: string) => !/\p{Cc}/u.test(text)
export const controlsRefused = 'must not contain control characters'

/** A text that can be sent in a header: visible ASCII (RFC 9110 §5.5), no spaces. */
export const headerText = () =>
  z
    .string()
    .min(1)
    .regex(/^[\x21-\x7e]*$/, 'must be ASCII without spaces or control characters')

/** Whether a URL contains neither a user name nor a password. True for text that is not a URL. */
function hasNoLogin(text: string): boolean {
  if (!URL.canParse(text)) return true
  const { username, password } = new URL(text)
  // `http://@host` has an empty user name.
  return username === '' && password === '' && !/^[a-z]+:\/*[^/?#]*@/i.test(text)
}
