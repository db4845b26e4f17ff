import { SluiceError } from '../../errors.ts'

// Tokens of the clouds have a few hundred characters.
const maxTokenLength = 4_096

/**
 * The cursor for a server's continuation token. Encodes the token, because a server can send any characters, and the database
 * cannot store all of them. An empty or absent token ends the listing: null.
 * @throws SluiceError UNEXPECTED_ANSWER if the token is too long.
 */
export function tokenCursor(token: string | undefined): string | null {
  if (!token) return null
  if (token.length > maxTokenLength) throw new SluiceError('UNEXPECTED_ANSWER')
  return Buffer.from(token).toString('base64url')
}

/** The token of a cursor that `tokenCursor` made. */
export const cursorToken = (cursor: string): string => Buffer.from(cursor, 'base64url').toString()

/** The error for a listing that has more pages, but no usable cursor. */
export const noProgress = () =>
  new SluiceError('UNEXPECTED_ANSWER', 'The storage reports more keys, but the listing makes no progress.')
