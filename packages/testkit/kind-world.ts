import type { ProviderName } from '../../src/providers/registry.ts'
import { startTestApp, type TestApp } from './app.ts'
import { numberOf } from './ids.ts'
import { createProject, createStorage } from './scenario.ts'
import { type StorageOfKind, storageKinds } from './storage-kinds.ts'

/** An app beside a storage of one kind, which is connected to a project. */
export interface KindWorld extends StorageOfKind {
  app: TestApp
  project: string
  storageId: string
  /** The link to an object by way of the project. */
  url(key: string): string
  /** The link to a file by its key in the path, already encoded. */
  fileUrl(path: string): string
  get(key: string, headers?: Record<string, string>, method?: string): Promise<Response>
}

/** Starts the app (with `env` over the test's settings) and the storage, whose objects are streamed unless it `presigns`. */
export async function startKindWorld(
  kind: ProviderName,
  env: Record<string, string> = {},
  { presign = false } = {},
): Promise<KindWorld> {
  const app = await startTestApp(env)
  const served = await storageKinds[kind](app.localRoot)
  await served.put('in/folder', '')
  const project = await createProject(app)
  const made = await createStorage(app, { projectId: project, location: served.location, presign, skipCheck: true })
  if (!made.storage) throw new Error(`The storage was not created: ${JSON.stringify(made)}`)
  const number = numberOf(project)
  const url = (key: string) =>
    `${app.url}/projects/${number}/resolve/?fileuri=${Buffer.from(served.uri + key).toString('base64url')}`
  const fileUrl = (path: string) => `${app.url}/projects/${number}/files/-/${made.storage.databaseId}/${path}`
  return {
    ...served,
    ...{ app, project, url, fileUrl, storageId: made.storage.id },
    get: (key, headers = {}, method = 'GET') =>
      fetch(url(key), {
        ...{ method, redirect: 'manual' },
        headers: { authorization: `Bearer ${app.token}`, ...headers },
      }),
    async stop() {
      await app.stop()
      await served.stop()
    },
  }
}
