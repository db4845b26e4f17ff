import {
  type Client,
  CountTasksDocument,
  CreateImportStorageDocument,
  type CreateImportStorageInput,
  CreateProjectDocument,
  NewestTasksDocument,
  type NewestTasksQuery,
  ProjectsDocument,
  type RunFieldsFragment as Run,
  RunIssuesDocument,
  StorageChangedDocument,
  SyncStorageDocument,
  successOf,
} from '@sluice/client'

export type { Run }

/** A task and the object that it was made from. */
export type LinkedTask = Extract<
  NonNullable<NewestTasksQuery['storage']>,
  { links: unknown }
>['links']['edges'][number]['node']

/** The project of this title, created unless there is one. */
export async function openProject(client: Client, title: string): Promise<{ id: string; isNew: boolean }> {
  const { projects } = await client.request(ProjectsDocument, { first: 200 })
  const known = projects.edges.find(({ node }) => node.title === title)
  if (known) return { id: known.node.id, isNew: false }
  const { createProject } = await client.request(CreateProjectDocument, { input: { title, dataKey: 'image' } })
  return { id: successOf(createProject).project.id, isNew: true }
}

/** Connects a storage, which tries the connection first, or finds the one that is connected to this place already. */
export async function connectStorage(client: Client, input: CreateImportStorageInput): Promise<string> {
  const { createImportStorage } = await client.request(CreateImportStorageDocument, { input })
  if ('existing' in createImportStorage && createImportStorage.existing) return createImportStorage.existing.id
  return successOf(createImportStorage).storage.id
}

/** Queues a sync and returns its run. */
export async function startSync(client: Client, storageId: string): Promise<Run> {
  const { syncStorage } = await client.request(SyncStorageDocument, { input: { storageId } })
  return successOf(syncStorage).run
}

/** The states of all storages of a project: first the present ones, then every change. */
export async function* watchProject(
  client: Client,
  projectId: string,
): AsyncGenerator<{ storageId: string; run: Run | null }> {
  for await (const { storageChanged } of client.subscribe(StorageChangedDocument, { projectId })) {
    if (storageChanged.__typename !== 'StorageState' || !storageChanged.storage) continue
    yield { storageId: storageChanged.storage.id, run: storageChanged.run ?? null }
  }
}

/** The issues of a run, at most 20, and how many there are. */
export async function issuesOf(
  client: Client,
  runId: string,
): Promise<{ total: number; issues: { code: string; key: string | null; message: string }[] }> {
  const { node } = await client.request(RunIssuesDocument, { runId, first: 20 })
  if (!node || !('issues' in node)) throw new Error(`The run ${runId} does not exist.`)
  return { total: node.issues.totalCount ?? 0, issues: node.issues.edges.map((edge) => edge.node) }
}

/** How many tasks the project has. */
export async function countTasks(client: Client, projectId: string): Promise<number> {
  const { project } = await client.request(CountTasksDocument, { projectId })
  return project?.tasks.totalCount ?? 0
}

/** The newest tasks of a storage, with URIs turned into links. */
export async function newestTasks(client: Client, storageId: string, count: number): Promise<LinkedTask[]> {
  const { storage } = await client.request(NewestTasksDocument, { storageId, count })
  if (!storage || !('links' in storage)) throw new Error(`The storage ${storageId} does not exist.`)
  return storage.links.edges.map((edge) => edge.node)
}
