import type { GraphqlClient } from './client.ts'
import { errorFields } from './errors.ts'
import { createProject } from './scenario.ts'
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
