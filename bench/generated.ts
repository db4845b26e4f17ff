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

/** Few keys in several rounds, many in one. */
export async function measureGenerated(stage: Stage, insert: BareInsert, count: number): Promise<Generated> {
  const server = await startGenerated()
  try {
    const measured = (keys: number, rounds: number) =>
      measureKeys(stage, insert, { endpoint: server.endpoint, bucket: `keys-${keys}`, count: keys, rounds })
    // The first round pays for what a process does once.
    await measured(small, 1)
    return { small: await measured(small, 7), large: await measured(count, 1) }
  } finally {
    await server.stop()
  }
}
