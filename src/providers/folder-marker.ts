import type { ObjectInfo } from './provider.ts'

/**
 * Whether an object only stands for a folder, as consoles and mount tools write it: its key ends in a slash and it has no bytes.
 * With bytes it is an object like any other.
 */
export const isFolderMarker = ({ key, size }: Pick<ObjectInfo, 'key' | 'size'>): boolean =>
  size === 0 && key.endsWith('/')
