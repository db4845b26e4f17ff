import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import type { GraphqlClient } from './client.ts'
import { errorFields } from './errors.ts'
import type { S3Server } from './s3.ts'
import { createProject } from './scenario.ts'
import { query, until } from './sql.ts'
import type { World } from './world.ts'

/** Connects an export storage and returns the answer: `{ storage }` or an error as data. */
export async function createTarget(client: GraphqlClient, input: Record<string, unknown>) {
  const { createExportStorage: made } = await client.request(
    `mutation ($input: CreateExportStorageInput!) { createExportStorage(input: $input) { __typename
      ... on CreateExportStorageSuccess { storage { id databaseId } } ${errorFields}
      ... on ConnectionCheckError { steps { name status code } }
      ... on DuplicateStorageError { existing { id } } ... on OverlappingStorageError { existing { id } } } }`,
    { input },
  )
  return made
}

/** A bucket that exports of a project (a new one unless given) go to, under `out/`, without a check. */
export async function target(
  world: World,
  {
    project: owner,
    bucket: given,
    ...settings
  }: { project?: string; bucket?: string; [setting: string]: unknown } = {},
): Promise<{ id: string; databaseId: number; project: string; bucket: string }> {
  const bucket = given ?? (await world.bucket())
  const project = owner ?? (await createProject(world.app))
  const location = world.location(bucket, { prefix: 'out' })
  const answer = await createTarget(world.app, { projectId: project, location, skipCheck: true, ...settings })
  if (!answer.storage) throw new Error(`The storage was not created: ${JSON.stringify(answer)}`)
  return { ...answer.storage, project, bucket }
}

/** The texts of the objects of a bucket by key. */
export async function textsIn(s3: S3Server, bucket: string): Promise<Record<string, string>> {
  const texts: Record<string, string> = {}
  let ContinuationToken: string | undefined
  do {
    const page = await s3.client.send(new ListObjectsV2Command({ Bucket: bucket, ContinuationToken }))
    for (const { Key } of page.Contents ?? []) {
      const { Body } = await s3.client.send(new GetObjectCommand({ Bucket: bucket, Key }))
      texts[Key!] = await Body!.transformToString()
    }
    ContinuationToken = page.NextContinuationToken
  } while (ContinuationToken !== undefined)
  return texts
}

/** The objects of a bucket by key, parsed. */
// biome-ignore lint/suspicious/noExplicitAny: tests read what was written
export async function objectsIn(s3: S3Server, bucket: string): Promise<Record<string, any>> {
  const texts = await textsIn(s3, bucket)
  return Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, JSON.parse(text)]))
}

/** The objects of a bucket of the world by key, parsed. */
export const objectsOf = ({ s3 }: World, bucket: string) => objectsIn(s3, bucket)

/** How many exports to a storage are pending, and why the last one failed. */
export async function pending(client: GraphqlClient, id: string): Promise<{ count: number; failure: string | null }> {
  const { node } = await client.request(
    'query ($id: ID!) { node(id: $id) { ... on ExportStorage { pendingExports pendingFailure } } }',
    { id },
  )
  return { count: node.pendingExports, failure: node.pendingFailure }
}

/** Waits until nothing is pending any more. */
export async function drained(client: GraphqlClient, id: string): Promise<void> {
  await until(async () => (await pending(client, id)).count === 0)
}

/** What the export links of a storage say: the key of each annotation, by its number. */
export async function exportLinks({ app }: World, storage: number): Promise<Record<string, string>> {
  const rows = await query(app.databaseUrl, 'select annotation_id, key from export_link where storage_id = $1', [
    storage,
  ])
  return Object.fromEntries(rows.map(({ annotation_id, key }) => [annotation_id, key]))
}

const runFields = `id status attempt failure counters { selected exported skipped deleted failed }`

/** Asks for an export and returns the run's global id. */
export async function startExport(client: GraphqlClient, input: Record<string, unknown>): Promise<string> {
  const { syncStorage: made } = await client.request(
    `mutation ($input: SyncStorageInput!) { syncStorage(input: $input) {
      ... on SyncStorageSuccess { run { id } } ${errorFields} } }`,
    { input },
  )
  if (!made.run) throw new Error(`No export was started: ${JSON.stringify(made)}`)
  return made.run.id
}

/** Waits for the last state of an export's run and returns it with its issues. */
export async function exportEnd(client: GraphqlClient, runId: string) {
  const states = client.subscribe(`subscription ($id: ID!) { syncRunChanged(runId: $id) { status } }`, { id: runId })
  for await (const _state of states);
  const { node } = await client.request(
    `query ($id: ID!) { node(id: $id) { ... on SyncRun { ${runFields}
      issues(first: 200) { edges { node { key code message retryable annotation { databaseId } task { databaseId } } } } } } }`,
    { id: runId },
  )
  const { issues, ...run } = node
  return { ...run, issues: issues.edges.map((edge: { node: object }) => edge.node) }
}

/** Exports to the end. */
export async function exportAll(client: GraphqlClient, storageId: string, options: Record<string, unknown> = {}) {
  return exportEnd(client, await startExport(client, { storageId, ...options }))
}

/** Tries again what failed in a run, to the end. */
export async function retryFailed(client: GraphqlClient, runId: string) {
  const { retryFailed: made } = await client.request(
    `mutation ($id: ID!) { retryFailed(runId: $id) { ... on RetryFailedSuccess { run { id } } ... on Error { code message } } }`,
    { id: runId },
  )
  return made.run ? exportEnd(client, made.run.id) : made
}

/** Exports a few annotations to the end. */
export async function exportChosen(client: GraphqlClient, input: Record<string, unknown>) {
  const { exportAnnotations: made } = await client.request(
    `mutation ($input: ExportAnnotationsInput!) { exportAnnotations(input: $input) {
      ... on ExportAnnotationsSuccess { run { id } } ${errorFields} } }`,
    { input },
  )
  return made.run ? exportEnd(client, made.run.id) : made
}
