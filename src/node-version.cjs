// Plain JavaScript, so that a Node version without TypeScript support can run this check. Runs before main.ts, and from it.
if (process.platform === 'win32') {
  console.error(
    'Sluice runs on Linux and macOS. On Windows, install WSL ("wsl --install"), and run "npm ci && npm start" inside it.',
  )
  process.exit(78)
}
if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(`Sluice needs Node 24 or newer, and this is ${process.version}.
"npm ci" installs one for the npm scripts, unless install scripts are switched off (--ignore-scripts).
Run "npm ci" with install scripts, then "npm start".`)
  process.exit(78)
}

// Caches compiled and type-stripped code between starts, which saves a third of the start time. Enabled before main.ts is read
// (`--require`), so that Node need not load its TypeScript compiler, which takes 15 MB.
require('node:module').enableCompileCache()
