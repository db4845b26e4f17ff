import { mediaTokenLifetime } from '../access/media-tokens.ts'
import type { Storage } from '../entities/storage.ts'
import { namesOthers } from '../resolve/file-sets.ts'
import { encodeKeyPath, folderOfKey } from '../resolve/key-path.ts'
import { fileUrl } from '../resolve/link-urls.ts'
import type { PickedObject } from '../resolve/pick.ts'
import type { Context } from './context.ts'

/** A link to a file, and the expiry of its token. */
interface FileLink {
  url: string
  /** Null: the link has no token. */
  expiresAt: Date | null
}

/**
 * The link to a file that names others by relative names. With a token, it also opens the files that are in the folder of the file or
 * below. Undefined for other objects, and for keys that the path of a URL cannot contain: they need a resolve link.
 */
export async function fileLink(
  { loaders, linksUrl }: Pick<Context, 'loaders' | 'linksUrl'>,
  { project, picked, withToken }: { project: number; picked: PickedObject | null; withToken: boolean },
): Promise<FileLink | undefined> {
  const path = picked && namesOthers(picked.key) ? encodeKeyPath(picked.key) : undefined
  if (!picked || path === undefined) return undefined
  const { storage, key } = picked
  const link = { linksUrl, project, storage: storage.id, path }
  if (!withToken) return { url: fileUrl(link), expiresAt: null }
  const folder = { storage: storage.id, path: folderOfKey(key) }
  const { token, expiresAt } = await loaders.folderToken.load({ project, folder, ttlSeconds: secondsOf(storage) })
  return { url: fileUrl({ ...link, token }), expiresAt }
}

/** A player requests the parts of a recording as long as it plays, so its token lives as long as a presigned URL for players. */
function secondsOf({ mediaTtlMinutes }: Storage): number {
  const { normal, most } = mediaTokenLifetime
  return Math.min(Math.max(mediaTtlMinutes * 60, normal), most)
}
