import { SluiceError } from '../../errors.ts'

/** What a fault of the disk is to who reads or lists; `missing` for a path that is not there. */
export function diskError(
  error: unknown,
  missing: 'OBJECT_MISSING' | 'LOCAL_PATH_MISSING' = 'OBJECT_MISSING',
): SluiceError {
  const code = (error as NodeJS.ErrnoException).code
  const options = { cause: error }
  // ENXIO: a socket.
  if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ENXIO'].includes(code ?? '')) {
    return new SluiceError(missing, undefined, options)
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return new SluiceError('DENIED', undefined, options)
  return new SluiceError('UNREACHABLE', 'The disk reports an error.', options)
}

/** What a fault is to who writes. */
export function writeError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error
  const code = (error as NodeJS.ErrnoException).code
  const options = { cause: error }
  if (code === 'ENAMETOOLONG') return new SluiceError('KEY_TOO_LONG', 'The name is too long for the disk.', options)
  if (code === 'EEXIST' || code === 'ENOTDIR' || code === 'EISDIR') {
    return new SluiceError('DENIED', 'Another file or folder is in the way.', options)
  }
  return diskError(error)
}
