import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Config } from '../config.ts'
import { isLocalMode } from './local-mode.ts'

/** Settings whose default depends on who can reach the server. */
interface ModeSettings {
  graphiql: boolean
  introspection: boolean
  /** Folder whose subfolders may be storages. It need not exist. Undefined: no local storages. */
  localFilesRoot: string | undefined
  /** The current value: a default folder counts only while it exists. */
  localFilesRootNow: () => string | undefined
}

/**
 * GRAPHIQL, INTROSPECTION and LOCAL_FILES_ROOT with their defaults. In local mode everything is on, and the root is the folder
 * `files` next to the data folder. In other modes everything is off.
 */
export function modeSettings(config: Config): ModeSettings {
  const isLocal = isLocalMode(config)
  const { GRAPHIQL, INTROSPECTION, LOCAL_FILES_ROOT, DATA_DIR } = config
  const beside = join(dirname(DATA_DIR), 'files')
  const localFilesRoot = LOCAL_FILES_ROOT ?? (isLocal && beside !== DATA_DIR ? beside : undefined)
  return {
    graphiql: GRAPHIQL ?? isLocal,
    introspection: INTROSPECTION ?? isLocal,
    localFilesRoot,
    localFilesRootNow: () =>
      LOCAL_FILES_ROOT ?? (localFilesRoot && existsSync(localFilesRoot) ? localFilesRoot : undefined),
  }
}
