/** An image as Dockerfile and docker-compose.yml name it: `[registry/]repository:tag[@digest]`. */
export interface ImageReference {
  /** `docker.io` if the text names no registry. */
  registry: string
  /** Path in the registry: `library/node` for `node`. */
  repository: string
  tag: string
  digest?: string
}

/**
 * Splits the name of an image (distribution's reference grammar: the first part is a registry if it has a dot or a colon).
 * @throws Error if the image has no exact version as its tag.
 */
export function parseImage(text: string): ImageReference {
  const [, name, tag, digest] = /^([^@\s]+?)(?::([\w][\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(text) ?? []
  if (!name || !tag || !/\d+\.\d+/.test(tag)) throw new Error(`The image ${text} has no exact version as its tag.`)
  const [first = '', ...rest] = name.split('/')
  const hasRegistry = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost')
  const registry = hasRegistry ? first : 'docker.io'
  const path = hasRegistry ? rest.join('/') : name
  const repository = registry === 'docker.io' && !path.includes('/') ? `library/${path}` : path
  return { registry, repository, tag, ...(digest && { digest }) }
}

/** The images that a Dockerfile or a compose file names, as written, except those that the compose file builds itself. */
export function imagesIn(text: string, built: string[] = []): string[] {
  const names = [...text.matchAll(/^(?:FROM|\s+image:)\s+(\S+)/gm)].map(([, name]) => name!)
  return names.filter((name) => !built.includes(name))
}
