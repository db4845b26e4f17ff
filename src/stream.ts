/**
 * A generator whose `return` does not wait for the value that is under way: `close`, called first, makes what the generator
 * waits for come to its end.
 */
export function endingBy<T>(generator: AsyncGenerator<T, void>, close: () => unknown): AsyncGenerator<T, void> {
  const end = generator.return.bind(generator)
  generator.return = (value) => {
    close()
    return end(value)
  }
  return generator
}
