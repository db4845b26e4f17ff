import type { GraphqlClient } from './client.ts'

/** One task as tests look at it. */
export interface SeenTask {
  id: string
  innerId: number
  // biome-ignore lint/suspicious/noExplicitAny: whatever the file said
  data: any
  // biome-ignore lint/suspicious/noExplicitAny: whatever the file said
  meta: any
  allowSkip: boolean
  link: { id: string; key: string; uri: string; rowIndex: number | null } | null
  predictions: { result: unknown; score: number | null; modelVersion: string | null }[]
  annotations: { result: unknown; wasCancelled: boolean; leadTimeSeconds: number | null; importId: string | null }[]
}

/** All tasks of a project, oldest first. */
export async function tasksOf(client: GraphqlClient, project: string): Promise<SeenTask[]> {
  const tasks: SeenTask[] = []
  for (let after: string | null = null; ; ) {
    const { project: page }: { project: { tasks: { edges: { node: SeenTask }[]; pageInfo: PageInfo } } } =
      await client.request(
        `query ($id: ID!, $after: String) { project(id: $id) { tasks(first: 200, after: $after) {
          pageInfo { hasNextPage endCursor }
          edges { node { id innerId data meta allowSkip link { id key uri rowIndex }
            predictions { result score modelVersion }
            annotations { result wasCancelled leadTimeSeconds importId } } } } } }`,
        { id: project, after },
      )
    tasks.push(...page.tasks.edges.map(({ node }) => node))
    if (!page.tasks.pageInfo.hasNextPage) return tasks.reverse()
    after = page.tasks.pageInfo.endCursor
  }
}

interface PageInfo {
  hasNextPage: boolean
  endCursor: string
}

/** The link, with a media token, to the object of the first task of a project. */
export async function mediaLinkOf(client: GraphqlClient, project: string): Promise<string> {
  const [task] = await tasksOf(client, project)
  const { task: read } = await client.request('query ($id: ID!) { task(id: $id) { resolvedData(mediaToken: true) } }', {
    id: task!.id,
  })
  return read.resolvedData.file
}

/** The keys that a project's tasks came from, oldest task first. */
export async function keysOf(client: GraphqlClient, project: string): Promise<(string | undefined)[]> {
  return (await tasksOf(client, project)).map(({ link }) => link?.key)
}

/** Deletes tasks. */
export async function deleteTasks(client: GraphqlClient, ids: string[]): Promise<number> {
  const { deleteTasks: deleted } = await client.request(
    `mutation ($ids: [ID!]!) { deleteTasks(ids: $ids) {
      ... on DeleteTasksSuccess { deletedCount } ... on Error { code message } } }`,
    { ids },
  )
  return deleted.deletedCount
}
