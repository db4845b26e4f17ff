import { type ActName, acts } from './acts.ts'
import { type Contents, contentsOf } from './contents.ts'
import type { Moment } from './moments.ts'
import { createRandom } from './random.ts'

export interface Fault {
  act: ActName
  moment: Moment
  /** How long the fault lasts, where that can be said. */
  forMs: number
}

/** All that a round does, as its seed decides. */
export interface Plan {
  seed: number
  contents: Contents
  /** Objects that were imported by an undisturbed sync before. */
  known: number
  workers: number
  readConcurrency: number
  /** One after the other: each waits for its moment once the one before is over. */
  faults: Fault[]
}

/** The plan of a seed, with faults of the kinds in `only`. */
export function planOf(seed: number, only: readonly ActName[]): Plan {
  const random = createRandom(seed)
  const contents = contentsOf(random)
  const { objects, maxKeys } = contents
  const known = random.chance(0.25) ? random.whole(1, objects.length - 1) : 0
  const pages = Math.ceil((objects.length - known) / maxKeys)
  const workers = random.chance(0.3) ? 2 : 1
  const readConcurrency = random.pick([2, 8, 32])
  const count = random.pick([1, 1, 1, 2, 2, 3])
  const faults = Array.from({ length: count }, (): Fault => {
    const act = random.pick(only)
    const kind = random.pick(acts[act].moments.filter((kind) => kind !== 'get' || contents.importMethod === 'TASKS'))
    const most = { time: 800, get: objects.length - known, list: pages, write: pages, answer: pages, commit: pages }[
      kind
    ]
    const n = random.whole(kind === 'time' ? 0 : 1, Math.max(1, Math.ceil(most / count)))
    return { act, moment: { kind, n }, forMs: random.pick([0, 100, 400, 1_500]) }
  })
  return { seed, contents, known, workers, readConcurrency, faults }
}
