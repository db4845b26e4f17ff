import type { GraphqlClient } from '@sluice/testkit/client.ts'

/** What a run has done, as the API tells it. */
export interface Run {
  id: string
  status: string
  failure: string | null
  durationMs: number | null
  counters: Record<'listed' | 'skipped' | 'existed' | 'created' | 'failed', number>
}

/** A task and the object that it was made from. */
export interface LinkedTask {
  key: string
  task: {
    innerId: number
    data: Record<string, unknown>
    resolvedData: Record<string, unknown>
    predictions: { modelVersion: string; score: number }[]
  }
}

const runFields = 'id status failure durationMs counters { listed skipped existed created failed }'

/** The project of this title, made unless there is one. */
export async function openProject(client: GraphqlClient, title: string): Promise<{ id: string; isNew: boolean }> {
  const { projects } = await client.request('query { projects(first: 200) { edges { node { id title } } } }')
  const known = projects.edges.find((edge: { node: { title: string } }) => edge.node.title === title)
  if (known) return { id: known.node.id, isNew: false }
  const { createProject } = await client.request(
    `mutation ($input: CreateProjectInput!) { createProject(input: $input) {
      ... on CreateProjectSuccess { project { id } }
      ... on Error { message } } }`,
    { input: { title, dataKey: 'image' } },
  )
  return { id: made(createProject, 'project').id, isNew: true }
}

/** Connects a storage, which tries the connection first, or finds the one that is connected to this place already. */
export async function connectStorage(client: GraphqlClient, input: Record<string, unknown>): Promise<string> {
  const { createImportStorage } = await client.request(
    `mutation ($input: CreateImportStorageInput!) { createImportStorage(input: $input) {
      ... on CreateImportStorageSuccess { storage { id } }
      ... on DuplicateStorageError { existing { id } }
      ... on ConnectionCheckError { steps { name message hint } }
      ... on ValidationError { fieldErrors { path message } }
      ... on Error { message } } }`,
    { input },
  )
  return (createImportStorage.existing ?? made(createImportStorage, 'storage')).id
}

/** Queues a sync and returns its run. */
export async function startSync(client: GraphqlClient, storageId: string): Promise<Run> {
  const { syncStorage } = await client.request(
    `mutation ($input: SyncStorageInput!) { syncStorage(input: $input) {
      ... on SyncStorageSuccess { run { ${runFields} } }
      ... on Error { message } } }`,
    { input: { storageId } },
  )
  return made(syncStorage, 'run') as Run
}

/** The states of all storages of a project: first the present ones, then every change. */
export async function* watchProject(
  client: GraphqlClient,
  projectId: string,
): AsyncGenerator<{ storageId: string; run: Run | null }> {
  const changes = client.subscribe(
    `subscription ($projectId: ID!) { storageChanged(projectId: $projectId) {
      ... on StorageState { kind storage { ... on ImportStorage { id } } run { ${runFields} } } } }`,
    { projectId },
  )
  for await (const { storageChanged } of changes) {
    if (storageChanged.storage) yield { storageId: storageChanged.storage.id, run: storageChanged.run }
  }
}

/** The issues of a run, at most 20, and how many there are. */
export async function issuesOf(
  client: GraphqlClient,
  runId: string,
): Promise<{ total: number; issues: { code: string; key: string; message: string }[] }> {
  const { node } = await client.request(
    `query ($id: ID!) { node(id: $id) { ... on SyncRun {
      issues(first: 20) { totalCount edges { node { code key message } } } } } }`,
    { id: runId },
  )
  return { total: node.issues.totalCount, issues: node.issues.edges.map((edge: { node: object }) => edge.node) }
}

/** How many tasks the project has. */
export async function countTasks(client: GraphqlClient, projectId: string): Promise<number> {
  const { project } = await client.request('query ($id: ID!) { project(id: $id) { tasks(first: 0) { totalCount } } }', {
    id: projectId,
  })
  return project.tasks.totalCount
}

/** The newest tasks of a storage, with URIs turned into links. */
export async function newestTasks(client: GraphqlClient, storageId: string, count: number): Promise<LinkedTask[]> {
  const { storage } = await client.request(
    `query ($id: ID!, $count: Int!) { storage(id: $id) { ... on ImportStorage { links(first: $count) { edges { node {
      key task { innerId data resolvedData predictions { modelVersion score } } } } } } } }`,
    { id: storageId, count },
  )
  return storage.links.edges.map((edge: { node: LinkedTask }) => edge.node)
}

/** What a mutation made; its error, in words, when it made nothing. */
function made<Name extends string>(answer: Record<Name, { id: string } | undefined>, name: Name) {
  const thing = answer[name]
  if (thing) return thing
  const { message, ...details } = answer as { message?: string }
  throw new Error(`${message} ${Object.keys(details).length > 0 ? JSON.stringify(details) : ''}`.trim())
}
