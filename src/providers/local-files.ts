import { posix } from 'node:path'
import { z } from 'zod'
import { defineProvider } from './provider.ts'

const location = z.strictObject({
  path: z
    .string()
    .min(1, 'name a folder inside LOCAL_FILES_ROOT')
    .max(2048)
    .refine((path) => !path.includes('\0'), 'must not hold a NUL character')
    // In one spelling, since keys begin with it and storages are compared by it. A `..` that leads out stays and is refused.
    .transform((path) => posix.normalize(path).replace(/^\/+|\/+$/g, ''))
    .meta({
      title: 'Path',
      description: 'Folder below LOCAL_FILES_ROOT of the server, relative to it.',
      placeholder: 'photos/2026',
    }),
})

const secrets = z.strictObject({})

export type LocalFilesLocation = z.infer<typeof location>

/** Folders of the machine that Sluice runs on. Keys are paths relative to LOCAL_FILES_ROOT. */
export const localFiles = defineProvider({
  title: 'Local files',
  typeName: 'LocalFilesLocation',
  inputName: 'localFiles',
  uriScheme: 'local-files',
  canPresign: false,
  location,
  secrets,
  place: ({ path }) => ({ endpoint: '', bucket: '', prefix: path === '' ? '' : `${path}/` }),
  open: async (place, _secrets, { localFilesRoot }) =>
    (await import('./local-folder.ts')).openLocalFolder(place, localFilesRoot),
})
