import type { ObjectInfo } from './provider.ts'

/**
 * Whether an object is a folder marker, as consoles and mount tools write it: its key ends in a slash and it is empty. An
 * object with bytes is an ordinary one.
 */
export const isFolderMarker = ({ key, size }: Pick<ObjectInfo, 'key' | 'size'>): boolean =>
  size === 0 && key.endsWith('/')
