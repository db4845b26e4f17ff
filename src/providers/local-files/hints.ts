import type { ErrorCode } from '../../errors.ts'

/** Advice for errors of folders. */
export const hints: Partial<Record<ErrorCode, string>> = {
  DENIED:
    'Let the user that the server runs as enter the folder and read its files; for exports also write and delete them ' +
    '(chown, chmod or setfacl).',
  STORAGE_FULL: 'Free space on the disk of the folder, or choose a folder on another disk.',
}
