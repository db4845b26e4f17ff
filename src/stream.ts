/**
 * Changes the `return` of a generator so that it does not wait for a pending value. It first calls `close`, which must end
 * whatever the generator waits for.
 */
export function endingBy<T>(generator: AsyncGenerator<T, void>, close: () => unknown): AsyncGenerator<T, void> {
  const end = generator.return.bind(generator)
  generator.return = (value) => {
    close()
    return end(value)
  }
  return generator
}
