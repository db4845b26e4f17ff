/** Milliseconds of computation after which a loop must yield to the event loop. */
const sliceMs = 5

const waiting: (() => void)[] = []

/**
 * Resolves in a later turn of the event loop. One caller resumes in each turn, in the order of the calls, so that all long
 * computations of the process together take one slice between two turns.
 */
function nextEventLoopTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve)
    if (waiting.length === 1) setImmediate(resumeOne)
  })
}

function resumeOne(): void {
  waiting.shift()!()
  if (waiting.length > 0) setImmediate(resumeOne)
}

/** Splits a long computation. Call `isUsedUp` often; when it returns true, wait for `next`. */
export interface Slices {
  isUsedUp(): boolean
  next(): Promise<void>
}

export function createSlices(): Slices {
  let end = performance.now() + sliceMs
  return {
    isUsedUp: () => performance.now() >= end,
    async next() {
      await nextEventLoopTurn()
      end = performance.now() + sliceMs
    },
  }
}
