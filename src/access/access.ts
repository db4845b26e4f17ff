import { NotFoundError } from '../errors.ts'
import type { Viewer } from './tokens.ts'

/**
 * Passes if the viewer may read what belongs to the project. The one place that decides it.
 * @throws NotFoundError for a project that the viewer may not know of.
 */
export function mayRead(viewer: Viewer, project: number): void {
  if (viewer.onlyProject !== undefined && viewer.onlyProject !== project) {
    throw new NotFoundError('The object does not exist, or you may not see it.')
  }
}

/** Names what a viewer may read: viewers with the same name for it may be shown the same. */
export function rightsOf({ onlyProject }: Viewer): string {
  return onlyProject === undefined ? 'all' : `project ${onlyProject}`
}
