import type { Task } from '../entities/task.ts'
import type { Json } from '../json.ts'
import { type RewriteScope, rewriteUris } from '../resolve/rewrite.ts'
import type { Context } from './context.ts'
import { uriOfLink } from './link.ts'

/** The data of a task with links for URIs. The link of the task and the project are read only if the data depends on them. */
export async function resolvedData(
  loaders: Context['loaders'],
  task: Pick<Task, 'id' | 'project'>,
  url: (uri: string) => string,
): Promise<Json> {
  const [data, storages, mappings] = await Promise.all([
    loaders.taskData.load(task.id),
    loaders.importStoragesOfProject.load(task.project),
    loaders.urlMappingsOfProject.load(task.project),
  ])
  let isComplete = true
  const scope: RewriteScope = { storages, mappings }
  const onUnread = () => {
    isComplete = false
  }
  const rewritten = rewriteUris(data, { ...scope, onUnread }, url)
  if (isComplete) return rewritten
  const [project, link] = await Promise.all([loaders.project.load(task.project), loaders.linkOfTask.load(task.id)])
  const ownUri = link && (await uriOfLink(loaders, link))
  return rewriteUris(data, { ...scope, httpsUrls: project!.resolveHttpsUrls, ownUri }, url)
}
