/** A lookup table without a prototype, for names from a server: `constructor` and similar names are not found. */
export const tableOf = <T>(entries: Record<string, T>): Record<string, T> => Object.assign(Object.create(null), entries)
