import { NotFoundError } from '../errors.ts'
import type { Viewer } from './tokens.ts'

/**
 * Asserts that the viewer may read the project. Only this function and `assertCanReadFile` decide what a viewer may read.
 * @throws NotFoundError if the viewer may not see the project, or only a folder of it
 */
export function assertCanRead({ onlyProject, onlyFolder }: Viewer, project: number): void {
  if ((onlyProject !== undefined && onlyProject !== project) || onlyFolder !== undefined) throw hidden()
}

/**
 * Asserts that the viewer may read a file by the storage and key in its link.
 * @throws NotFoundError if the viewer may not see the project or the file
 */
export function assertCanReadFile(
  { onlyFolder, ...viewer }: Viewer,
  { project, storage, key }: { project: number; storage: number; key: string },
): void {
  assertCanRead(viewer, project)
  if (onlyFolder && (onlyFolder.storage !== storage || !key.startsWith(onlyFolder.path))) throw hidden()
}

const hidden = () => new NotFoundError('The object does not exist, or you may not see it.')

/** A name for what a viewer may read: viewers with equal names may receive the same data. */
export function rightsOf({ onlyProject }: Viewer): string {
  return onlyProject === undefined ? 'all' : `project ${onlyProject}`
}
