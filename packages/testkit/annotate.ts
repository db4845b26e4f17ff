import type { GraphqlClient } from './client.ts'
import { errorFields } from './errors.ts'

const fields = 'id databaseId result wasCancelled completedBy leadTimeSeconds task { id }'

/** Creates tasks with this data and returns their global ids. */
export async function createTasks(client: GraphqlClient, projectId: string, data: unknown[]): Promise<string[]> {
  const { createTasks: made } = await client.request(
    `mutation ($input: CreateTasksInput!) { createTasks(input: $input) {
      ... on CreateTasksSuccess { tasks { id } } ${errorFields} } }`,
    { input: { projectId, tasks: data.map((one) => ({ data: one })) } },
  )
  if (!made.tasks) throw new Error(`The tasks were not created: ${JSON.stringify(made)}`)
  return made.tasks.map(({ id }: { id: string }) => id)
}

/** Creates annotations; the answer of the mutation. */
export async function createAnnotations(client: GraphqlClient, input: object[]) {
  const { createAnnotations: made } = await client.request(
    `mutation ($input: [CreateAnnotationInput!]!) { createAnnotations(input: $input) {
      ... on CreateAnnotationsSuccess { annotations { ${fields} } } ${errorFields} } }`,
    { input },
  )
  return made
}

/** One annotation of each task; their global ids and numbers. */
export async function annotate(
  client: GraphqlClient,
  tasks: string[],
  result: unknown = [{ type: 'choices', value: { choices: ['cat'] } }],
): Promise<{ id: string; databaseId: number }[]> {
  const { annotations, ...error } = await createAnnotations(
    client,
    tasks.map((taskId) => ({ taskId, result, leadTimeSeconds: 1.5 })),
  )
  if (!annotations) throw new Error(`The annotations were not created: ${JSON.stringify(error)}`)
  return annotations
}

/** Changes an annotation; the answer of the mutation. */
export async function updateAnnotation(client: GraphqlClient, input: object) {
  const { updateAnnotation: made } = await client.request(
    `mutation ($input: UpdateAnnotationInput!) { updateAnnotation(input: $input) {
      ... on UpdateAnnotationSuccess { annotation { ${fields} } } ${errorFields} } }`,
    { input },
  )
  return made
}

/** Deletes annotations; how many there were. */
export async function deleteAnnotations(client: GraphqlClient, ids: string[]): Promise<number> {
  const { deleteAnnotations: made } = await client.request(
    `mutation ($ids: [ID!]!) { deleteAnnotations(ids: $ids) {
      ... on DeleteAnnotationsSuccess { deletedCount } ${errorFields} } }`,
    { ids },
  )
  return made.deletedCount
}
