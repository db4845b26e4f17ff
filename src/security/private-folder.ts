import { chmodSync, mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { codeOf } from '../unknown.ts'

/** Mode bit of folders that several users share, such as /tmp. Such a folder must not be closed to them. */
const sticky = 0o1000

/**
 * Creates a folder that only its owner may enter (mode 700), or closes an existing one. A folder of another user keeps its
 * mode, because only its owner may change it.
 * @throws Error of the file system; Error with the code EINVAL for a folder that several users share.
 */
export function makePrivateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  closeFolder(path)
}

/** Closes a folder to everybody except its owner, if it exists. @throws as makePrivateFolder. */
export function closeFolder(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found?.isDirectory() || (found.mode & 0o7777) === 0o700) return
  if (found.mode & sticky || dirname(path) === path) {
    throw Object.assign(new Error(`${path} is shared by several users.`), { code: 'EINVAL', syscall: 'chmod' })
  }
  try {
    chmodSync(path, 0o700)
  } catch (error) {
    if (codeOf(error) !== 'EPERM') throw error
  }
}
