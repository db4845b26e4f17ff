import type { S3Request } from '@sluice/testkit/s3-front.ts'
import { type DoneRange, listsAgain, readsAgain } from './checkpoints.ts'

/** Sees all requests of the workers, and whether one goes over what was committed before it was sent. */
export interface Witness {
  see(request: S3Request): void
  /** The worker that asked last. */
  readonly lastWorker: string | undefined
  /** Does not judge a worker any more that cannot know what others have committed. */
  excuse(worker: string): void
  listedAgain: string[]
  readAgain: string[]
}

/** A witness who knows from `done` what is committed by now. Workers have their name in the user agent. */
export function createWitness(done: () => DoneRange[]): Witness {
  const excused = new Set<string>()
  const starts = new Map<string, string[]>()
  let lastWorker: string | undefined
  const witness: Witness = {
    listedAgain: [],
    readAgain: [],
    get lastWorker() {
      return lastWorker
    },
    excuse: (worker) => excused.add(worker),
    see({ operation, url, key, headers }) {
      const worker = /\bapp\/(\S+)/.exec(headers['user-agent'] ?? '')?.[1]
      lastWorker = worker ?? lastWorker
      // Other clients are none of ours.
      if (worker === undefined || excused.has(worker)) return
      if (operation === 'ListObjectsV2') {
        const asked = new URL(url, 'http://s3').searchParams
        // The question where a range may be cut, not a page.
        if (asked.get('max-keys') === '1') return
        const after = asked.get('start-after') ?? ''
        // A listing from the start belongs to another run.
        const before = after === '' ? [] : (starts.get(worker) ?? [])
        if (listsAgain(done(), after, before)) witness.listedAgain.push(after)
        starts.set(worker, [...before, after])
      } else if (operation === 'GetObject' && readsAgain(done(), key)) witness.readAgain.push(key)
    },
  }
  return witness
}
