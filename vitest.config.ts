import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that take longer than a minute. They run first, also in a clean clone, which has no durations of an earlier run. */
const long = [
  'torture/rows',
  'main/folders',
  'security/egress-table',
  'runs/outages',
  'security/hostile-servers',
  'pacing/limits',
  'http/resolve-upstream',
  'task-files/large-files',
  'main/fleet',
  'runs/storage-changes-workers',
]

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification) => long.some((name) => moduleId.endsWith(`/${name}.test.ts`))
    const sorted = await super.sort(files)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

export default defineConfig({
  resolve: {
    // The file that Node itself takes: a second copy of graphql would not know the first one's errors.
    alias: [{ find: /^graphql$/, replacement: fileURLToPath(import.meta.resolve('graphql')) }],
  },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['packages/testkit/setup.ts'],
    env: { LAUNCHED_SERVER: 'dist/server/main.js' },
    // Bounds what hangs, nothing else: a machine may be ten times slower than ours, and busy.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    // Two cores: more processes only wait for each other.
    maxWorkers: 3,
    // A worker loads the modules once, for all of its files.
    isolate: false,
    sequence: { sequencer: LongFirst },
  },
})
