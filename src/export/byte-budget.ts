/** Room for so many bytes, which is taken before they are read and given back when they are no longer needed. */
export interface ByteBudget {
  /** Waits, in the order of asking, until there is room for `bytes`; what is larger than all of it waits until it is alone. */
  take(bytes: number): Promise<void>
  give(bytes: number): void
}

export function createByteBudget(maxBytes: number): ByteBudget {
  let used = 0
  const waiting: { bytes: number; enter: () => void }[] = []
  const next = () => {
    for (let first = waiting[0]; first && (used === 0 || used + first.bytes <= maxBytes); first = waiting[0]) {
      waiting.shift()
      used += first.bytes
      first.enter()
    }
  }
  return {
    take(bytes) {
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting.push({ bytes, enter: resolve })
      next()
      return promise
    },
    give(bytes) {
      used -= bytes
      next()
    },
  }
}
