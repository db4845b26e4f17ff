import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: {
    // The file that Node itself takes: a second copy of graphql would not know the first one's errors.
    alias: [{ find: /^graphql$/, replacement: fileURLToPath(import.meta.resolve('graphql')) }],
  },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['packages/testkit/postgres.ts'],
    // Bounds what hangs, nothing else: a machine may be ten times slower than ours, and busy.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    // Two cores: more processes only wait for each other.
    maxWorkers: 3,
  },
})
