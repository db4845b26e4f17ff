import type { Task } from '../entities/task.ts'
import type { Json } from '../json.ts'
import { mayNameOthers } from '../resolve/file-sets.ts'
import { resolveUrl } from '../resolve/link-urls.ts'
import { type RewriteScope, rewriteUris } from '../resolve/rewrite.ts'
import { pickObject } from '../resolve/url-mappings.ts'
import type { Context } from './context.ts'
import { fileLink } from './file-links.ts'
import { uriOfLink } from './link.ts'

/**
 * The data of a task with links for URIs. The link of the task and the project are read only if the data depends on them. Data with
 * files that name others is rewritten again when the tokens of their folders are signed.
 */
export async function resolvedData(
  context: Pick<Context, 'loaders' | 'linksUrl'>,
  task: Pick<Task, 'id' | 'project'>,
  { withToken }: { withToken: boolean },
): Promise<Json> {
  const { loaders, linksUrl } = context
  const [data, storages, mappings] = await Promise.all([
    loaders.taskData.load(task.id),
    loaders.importStoragesOfProject.load(task.project),
    loaders.urlMappingsOfProject.load(task.project),
  ])
  const token = withToken ? (await loaders.mediaToken.load(task.project)).token : undefined
  const fileUrls = new Map<string, string>()
  const suspected = new Set<string>()
  const url = (uri: string) => {
    if (mayNameOthers(uri)) suspected.add(uri)
    return fileUrls.get(uri) ?? resolveUrl({ linksUrl, where: { task: task.id }, uri, token })
  }
  let isComplete = true
  const onUnread = () => {
    isComplete = false
  }
  const scope: RewriteScope = { storages, mappings }
  const first = rewriteUris(data, { ...scope, onUnread }, url)
  if (isComplete && suspected.size === 0) return first

  const [project, link] = await Promise.all([loaders.project.load(task.project), loaders.linkOfTask.load(task.id)])
  const { resolveHttpsUrls: httpsUrls } = project!
  const full = { ...scope, httpsUrls, ownUri: link && (await uriOfLink(loaders, link)) }
  const rewritten = isComplete ? first : rewriteUris(data, full, url)
  const pickScope = { storages, mappings, httpsUrls, linkedStorage: link?.storage }
  await Promise.all(
    Array.from(suspected, async (uri) => {
      const picked = pickObject(uri, pickScope)
      const found = await fileLink(context, { project: task.project, picked, withToken })
      if (found) fileUrls.set(uri, found.url)
    }),
  )
  return fileUrls.size === 0 ? rewritten : rewriteUris(data, full, url)
}
