import type { BareInsert } from './bare.ts'
import { startGenerated } from './generated-s3.ts'
import { type Keys, measureKeys } from './imports.ts'
import type { Stage } from './stage.ts'

const small = 10_000

/** Imports of few and of many keys whose listings are generated, so that there need not be as many objects. */
export interface Generated {
  small: Keys
  large: Keys
}

/** Few keys in several rounds, many in one of new ones and five of known ones. */
export async function measureGenerated(stage: Stage, insert: BareInsert, count: number): Promise<Generated> {
  const server = await startGenerated()
  try {
    const measured = (keys: number, rounds: number, moreAgain = 0) =>
      measureKeys(stage, insert, { endpoint: server.endpoint, bucket: `keys-${keys}`, count: keys, rounds, moreAgain })
    // The first round pays for what a process does once.
    await measured(small, 1)
    return { small: await measured(small, 7), large: await measured(count, 1, 4) }
  } finally {
    await server.stop()
  }
}
