/** The link to the bytes of a URI. With a media token it needs no header. */
export function resolveUrl(options: {
  linksUrl: string
  where: { task: number } | { project: number }
  uri: string
  token?: string | undefined
}): string {
  const { linksUrl, where, uri, token } = options
  const path = 'task' in where ? `tasks/${where.task}` : `projects/${where.project}`
  const link = `${linksUrl}/${path}/resolve/?fileuri=${Buffer.from(uri).toString('base64url')}`
  return token === undefined ? link : `${link}&token=${token}`
}

/**
 * The link to a file by its storage and key, so that relative names in the file lead to links of its neighbours. `path` is the key as
 * `encodeKeyPath` returns it. With a media token for the folder it needs no header.
 */
export function fileUrl(options: {
  linksUrl: string
  project: number
  storage: number
  path: string
  token?: string | undefined
}): string {
  const { linksUrl, project, storage, path, token = '-' } = options
  return `${linksUrl}/projects/${project}/files/${token}/${storage}/${path}`
}
