import type { GraphqlClient } from './client.ts'

const errorFields = '... on Error { code message } ... on ValidationError { fieldErrors { path message } }'

/** Creates a project and returns its global id. */
export async function createProject(client: GraphqlClient, title = 'Test'): Promise<string> {
  const { createProject: made } = await client.request(
    `mutation ($input: CreateProjectInput!) { createProject(input: $input) {
      ... on CreateProjectSuccess { project { id } } ${errorFields} } }`,
    { input: { title } },
  )
  return made.project.id
}

/** Connects an import storage and returns the answer: `{ storage: { id } }` or an error as data. */
export async function createStorage(client: GraphqlClient, input: Record<string, unknown>) {
  const { createImportStorage: made } = await client.request(
    `mutation ($input: CreateImportStorageInput!) { createImportStorage(input: $input) { __typename
      ... on CreateImportStorageSuccess { storage { id databaseId } } ${errorFields}
      ... on ConnectionCheckError { steps { name status code message hint } }
      ... on DuplicateStorageError { existing { id } } } }`,
    { input },
  )
  return made
}

/** Changes an import storage without a check, and returns the answer: `{ storage }` or an error as data. */
export async function updateStorage(client: GraphqlClient, id: string, settings: Record<string, unknown>) {
  const { updateImportStorage: answer } = await client.request(
    `mutation ($input: UpdateImportStorageInput!) { updateImportStorage(input: $input) { __typename
      ... on UpdateImportStorageSuccess { storage { id importMethod rowsPath rowKey outOfScopeLinks } } ${errorFields} } }`,
    { input: { id, skipCheck: true, ...settings } },
  )
  return answer
}

/** Asks for a sync and returns the run's global id. */
export async function startSync(client: GraphqlClient, storageId: string): Promise<string> {
  const { syncStorage } = await client.request(
    `mutation ($id: ID!) { syncStorage(input: { storageId: $id }) {
      ... on SyncStorageSuccess { run { id } } ... on Error { code message } } }`,
    { id: storageId },
  )
  return syncStorage.run.id
}

const runFields = `id status attempt failure cancelRequested
  expectedTotal counters { listed skipped matched existed created updated missing moved deleted failed bytesRead }`

/** Waits for the run's last state and returns it with its issues. */
export async function finished(client: GraphqlClient, runId: string) {
  let last: { status: string } | undefined
  const states = client.subscribe(`subscription ($id: ID!) { syncRunChanged(runId: $id) { ${runFields} } }`, {
    id: runId,
  })
  for await (const { syncRunChanged } of endingAfterSilence(
    states,
    () => `the run ${runId} to go on: it is ${last?.status}`,
  )) {
    last = syncRunChanged
  }
  const { node } = await client.request(
    `query ($id: ID!) { node(id: $id) { ... on SyncRun { ${runFields}
      issues { totalCount edges { node { key rowIndex code message retryable } } } } } }`,
    { id: runId },
  )
  const { issues, ...run } = node
  if (run.status !== last?.status) throw new Error(`The stream ended with ${last?.status}, the run with ${run.status}.`)
  return { ...run, issues: issues.edges.map((edge: { node: object }) => edge.node) }
}

/** Syncs a storage to its end. */
export async function sync(client: GraphqlClient, storageId: string) {
  return finished(client, await startSync(client, storageId))
}

const silenceSeconds = 20

/** The same messages. @throws Error after 20 seconds without one, which says what was waited for. */
async function* endingAfterSilence<T>(messages: AsyncGenerator<T>, what: () => string): AsyncGenerator<T> {
  for (;;) {
    let timer: NodeJS.Timeout | undefined
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`Waited ${silenceSeconds} s for ${what()}`)), silenceSeconds * 1_000)
    })
    const next = await Promise.race([messages.next(), silence]).finally(() => clearTimeout(timer))
    if (next.done) return
    yield next.value
  }
}
