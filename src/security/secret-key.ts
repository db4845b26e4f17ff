import { randomBytes, randomUUID } from 'node:crypto'
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf } from '../unknown.ts'
import { makePrivateFolder } from './private-folder.ts'

/** Reads the key in `dataDir/secret.key`, and creates it at the first call. Concurrent processes get the same key. */
export function loadSecretKey(dataDir: string): string {
  const file = join(dataDir, 'secret.key')
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
  makePrivateFolder(dataDir)
  // The process id is not unique: in containers that share a folder, every process can have id 1.
  const fresh = `${file}.${randomUUID()}`
  writeFileSync(fresh, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600 })
  try {
    linkSync(fresh, file)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  } finally {
    rmSync(fresh)
  }
  return readFileSync(file, 'utf8').trim()
}
