import { NotFoundError } from '../errors.ts'
import type { Viewer } from './tokens.ts'

/**
 * Asserts that the viewer may read the project. This is the only place that decides it.
 * @throws NotFoundError if the viewer may not see the project
 */
export function assertCanRead(viewer: Viewer, project: number): void {
  if (viewer.onlyProject !== undefined && viewer.onlyProject !== project) {
    throw new NotFoundError('The object does not exist, or you may not see it.')
  }
}

/** A name for what a viewer may read: viewers with equal names may receive the same data. */
export function rightsOf({ onlyProject }: Viewer): string {
  return onlyProject === undefined ? 'all' : `project ${onlyProject}`
}
