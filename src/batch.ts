/**
 * Answers keys in batches: what is asked while a batch is under way goes together into the next, each key once. So every
 * answer was read after it was asked for, and many callers at a time cost little more than one. `load` gives what it finds;
 * when it rejects, all of its batch do.
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
    let asked = waiting.get(key)
    if (!asked) {
      asked = Promise.withResolvers()
      waiting.set(key, asked)
    }
    if (!busy) {
      busy = true
      setImmediate(run)
    }
    return asked.promise
  }
}
