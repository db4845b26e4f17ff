import { posix } from 'node:path'
import { z } from 'zod'

/** Location of a local storage. */
export const location = z.strictObject({
  path: z
    .string()
    // Accepts the start of a URI, too: local-files:///photos.
    .overwrite((path) => path.replace(/^local-files:\/\/(?=\/)/i, ''))
    .min(1, 'name a folder inside LOCAL_FILES_ROOT')
    .max(2048)
    .refine((path) => !path.includes('\0'), 'must not hold a NUL character')
    // Normalized, because keys start with the path and storages are compared by it. A `..` that leads out stays and is refused.
    .transform((path) => posix.normalize(path).replace(/^\/+|\/+$/g, '') || '.')
    .meta({
      title: 'Path',
      description:
        'Folder on the server, relative to LOCAL_FILES_ROOT. Separate folders with "/"; spaces and backslashes are parts of names.',
      placeholder: 'photos/2026',
    }),
})

/** A folder has no credentials. */
export const secrets = z.strictObject({})

export type LocalFilesLocation = z.infer<typeof location>
