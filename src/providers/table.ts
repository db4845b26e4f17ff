/** A table that is asked for names which a server wrote: `constructor` and the like are in none. */
export const tableOf = <T>(entries: Record<string, T>): Record<string, T> => Object.assign(Object.create(null), entries)
