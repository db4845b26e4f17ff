/** Limits the bytes in memory: reserve them before a read, release them when they are no longer needed. */
export interface ByteBudget {
  /** Waits, in order, until `bytes` are free. A request above the limit waits until nothing else is reserved. */
  reserve(bytes: number): Promise<void>
  release(bytes: number): void
}

export function createByteBudget(maxBytes: number): ByteBudget {
  let used = 0
  const waiting: { bytes: number; resolve: () => void }[] = []
  const admitWaiting = () => {
    for (let first = waiting[0]; first && (used === 0 || used + first.bytes <= maxBytes); first = waiting[0]) {
      waiting.shift()
      used += first.bytes
      first.resolve()
    }
  }
  return {
    reserve(bytes) {
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting.push({ bytes, resolve })
      admitWaiting()
      return promise
    },
    release(bytes) {
      used -= bytes
      admitWaiting()
    },
  }
}
