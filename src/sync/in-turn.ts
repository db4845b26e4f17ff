/** Makes calls of `work` wait for each other, in the order in which they come. After one that rejects, all reject. */
export function inTurn<T>(work: (item: T) => Promise<void>): (item: T) => Promise<void> {
  let last = Promise.resolve()
  return (item) => {
    last = last.then(() => work(item))
    return last
  }
}
