/** The prefix of the objects directly below a folder: with a slash at its end, unless it is empty. */
export const folderOf = (prefix: string) => (prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`)
