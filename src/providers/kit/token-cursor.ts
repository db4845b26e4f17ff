import { SluiceError } from '../../errors.ts'

// Clouds' own tokens have some hundred characters.
const maxTokenLength = 4_096

/**
 * The cursor for a server's continuation token. A token is whatever the server sent; encoded, it is text that the database can
 * store. Empty or absent tokens end a listing: null.
 * @throws SluiceError UNEXPECTED_ANSWER if the token is too long.
 */
export function tokenCursor(token: string | undefined): string | null {
  if (!token) return null
  if (token.length > maxTokenLength) throw new SluiceError('UNEXPECTED_ANSWER')
  return Buffer.from(token).toString('base64url')
}

/** The token of a cursor that `tokenCursor` made. */
export const cursorToken = (cursor: string): string => Buffer.from(cursor, 'base64url').toString()

/** A listing that says it continues, but not where. */
export const noProgress = () => new SluiceError('UNEXPECTED_ANSWER', 'The listing says that it goes on, but does not.')
