import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { environment } from '@sluice/testkit/egress.ts'
import { onTestFinished } from 'vitest'
import { localFiles } from '../../src/providers/local-files/kind.ts'
import type { Provider } from '../../src/providers/provider.ts'

/** A root with `files` in it (a path ending in `/` is a folder), removed after the test. */
export async function newRoot(files: Record<string, string> = {}): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'sluice-local-'))
  onTestFinished(() => rm(root, { recursive: true }))
  for (const [path, body] of Object.entries(files)) await put(root, path, body)
  return root
}

/** Writes a file below `root` with the folders in front of it; a path ending in `/` is only a folder. */
export async function put(root: string, path: string, body: string | Buffer) {
  await mkdir(dirname(join(root, path, path.endsWith('/') ? 'x' : '')), { recursive: true })
  if (!path.endsWith('/')) await writeFile(join(root, path), body)
}

/** Opens the folder `path` of `root` as a storage does. */
export const open = async (root: string | undefined, path: string): Promise<Provider> =>
  localFiles.open(localFiles.location.parse({ path }), {}, { ...environment, localFilesRoot: root })

/** The first 1,000 keys of the storage. */
export const listed = async (provider: Provider) =>
  (await provider.list({ cursor: null, limit: 1000, recursive: true })).objects.map((object) => object.key)
