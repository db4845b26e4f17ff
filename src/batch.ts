/**
 * Loads keys in batches. Requests that arrive while a batch is loading go into the next batch, each key once. So every value is
 * read after its request, and many concurrent callers cost little more than one. `load` returns the values that exist. If it
 * rejects, all requests of its batch reject.
 */
export function inBatches<Key, Value>(
  load: (keys: Key[]) => Promise<ReadonlyMap<Key, Value>>,
): (key: Key) => Promise<Value | undefined> {
  let waiting = new Map<Key, PromiseWithResolvers<Value | undefined>>()
  let busy = false

  const run = async () => {
    while (waiting.size > 0) {
      const batch = waiting
      waiting = new Map()
      try {
        const found = await load([...batch.keys()])
        for (const [key, { resolve }] of batch) resolve(found.get(key))
      } catch (error) {
        for (const { reject } of batch.values()) reject(error)
      }
    }
    busy = false
  }

  return (key) => {
    let pending = waiting.get(key)
    if (!pending) {
      pending = Promise.withResolvers()
      waiting.set(key, pending)
    }
    if (!busy) {
      busy = true
      setImmediate(run)
    }
    return pending.promise
  }
}
