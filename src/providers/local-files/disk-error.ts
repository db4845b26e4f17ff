import { SluiceError } from '../../errors.ts'
import { codeOf } from '../../unknown.ts'

const deniedCodes = ['EACCES', 'EPERM', 'EROFS']
const denied =
  'The operating system denies this. Give the user of the server the rights to read files, and to read and enter folders; for exports also to write them.'

/**
 * Converts a disk error of reading or listing. `missing` is the code for a path that does not exist. Messages contain no path.
 */
export function diskError(
  error: unknown,
  missing: 'OBJECT_MISSING' | 'LOCAL_PATH_MISSING' = 'OBJECT_MISSING',
): SluiceError {
  const code = codeOf(error)
  const options = { cause: error }
  // ENXIO: a socket.
  if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ENXIO'].includes(code ?? '')) {
    return new SluiceError(missing, undefined, options)
  }
  if (code === 'EROFS') {
    const hint = 'Mount the disk for writing, or choose a folder on another one.'
    return new SluiceError('DENIED', 'The disk is mounted read-only.', { ...options, hint })
  }
  if (code === 'EACCES' || code === 'EPERM') return new SluiceError('DENIED', denied, options)
  if (code === 'ENOSPC') return new SluiceError('STORAGE_FULL', 'The disk is full.', options)
  if (code === 'EDQUOT') {
    return new SluiceError('STORAGE_FULL', 'The user of the server has used up its disk quota.', options)
  }
  return new SluiceError('UNREACHABLE', 'The disk reports an error.', options)
}

// Errors of the whole process, for example too many open files. They say nothing about a folder.
const processCodes = ['EMFILE', 'ENFILE', 'ENOMEM']

/**
 * Why a folder or file in a listing cannot be examined. Undefined if it no longer exists.
 * @throws SluiceError if the error does not concern this folder or file.
 */
export function gapError(error: unknown, what: 'folder' | 'file'): SluiceError | undefined {
  const code = codeOf(error) ?? ''
  const options = { cause: error }
  if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(code)) return undefined
  if (processCodes.includes(code)) throw diskError(error)
  if (code === 'ENAMETOOLONG') {
    return new SluiceError(
      'KEY_TOO_LONG',
      `The path of the ${what} is longer than the operating system accepts.`,
      options,
    )
  }
  if (!deniedCodes.includes(code)) {
    return new SluiceError('UNREACHABLE', `The disk reports an error for this ${what}.`, options)
  }
  const rights = what === 'folder' ? 'to read and enter it' : 'to follow it'
  return new SluiceError(
    'DENIED',
    `The ${what} cannot be read. Give the user of the server the rights ${rights}.`,
    options,
  )
}

/** Converts an error of writing. */
export function writeError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error
  const code = codeOf(error)
  const options = { cause: error }
  if (code === 'ENAMETOOLONG') return new SluiceError('KEY_TOO_LONG', 'The name is too long for the disk.', options)
  if (code === 'EEXIST' || code === 'ENOTDIR' || code === 'EISDIR') {
    return new SluiceError('DENIED', 'Another file or folder occupies this path.', options)
  }
  return diskError(error)
}
