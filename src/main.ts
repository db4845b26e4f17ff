import { existsSync } from 'node:fs'

import type { App } from './app.ts'
import type { Config } from './config.ts'

await import('./node-version.cjs' as string)

const [
  { startApp },
  { readConfig, StartupError },
  { filesWithSecrets },
  { diskFullMessage, isDiskFull },
  { isLocalMode },
  { localRootNotice },
  { modeSettings },
] = await Promise.all([
  import('./app.ts'),
  import('./config.ts'),
  import('./config/secret-files.ts'),
  import('./errors.ts'),
  import('./security/local-mode.ts'),
  import('./security/local-root.ts'),
  import('./security/mode-defaults.ts'),
])

// If the reader of the output exits, as in `npm start | head`, the server must continue.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

const interrupt = new AbortController()
const interrupted = new Promise((resolve) => interrupt.signal.addEventListener('abort', resolve))
let interruptedAt = 0
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (!interrupt.signal.aborted) {
      interruptedAt = performance.now()
      console.log('Stopping …')
      interrupt.abort(new Error('Interrupted.'))
    } else if (performance.now() - interruptedAt > 1_000) {
      // A second signal ends the process at once. Signals within one second are ignored, because npm forwards the Ctrl-C that
      // the terminal has already sent to both processes.
      process.exit(130)
    }
  })
}

try {
  if (existsSync('.env')) process.loadEnvFile('.env')
  const config = readConfig(process.env)
  const app = await startApp(config, { secretFiles: filesWithSecrets(process.env), signal: interrupt.signal })
  const token = app.firstToken && `\n  Admin token ${app.firstToken}   (Sluice does not show it again)`
  const notice = config.LOCAL_FILES_ROOT && localRootNotice(config.LOCAL_FILES_ROOT)
  if (notice) console.error(notice)
  const root = modeSettings(config).localFilesRootNow()
  console.log(`Sluice is ready.
${addressesOf(config, app)}
  Mode        ${modeOf(config)}
  Database    ${app.clusterFolder ? `embedded PostgreSQL in ${app.clusterFolder}` : 'PostgreSQL of DATABASE_URL'}${config.JOBS_URL ? '\n  Jobs        database of JOBS_URL' : ''}
  Data folder ${config.DATA_DIR}${root ? `\n  Local files ${root}: connect its subfolders as storages` : ''}${token ?? ''}`)
  await interrupted
  await app.stop()
  process.exit(0)
} catch (error) {
  if (interrupt.signal.aborted) process.exit(0)
  if (error instanceof StartupError) fail(error.exitCode, error.message)
  if (isDiskFull(error)) fail(73, diskFullMessage)
  const { code, port, address, message } = error as NodeJS.ErrnoException & { port?: number; address?: string }
  if (code === 'EADDRINUSE') fail(75, `Port ${port} on ${address} is in use. Set PORT to another port.`)
  if (code === 'EACCES' && port) fail(77, `This user must not open port ${port}. Set PORT to a port above 1023.`)
  if (code === 'EADDRNOTAVAIL' && port !== undefined) fail(78, `HOST ${address} is not an address of this machine.`)
  fail(1, `Sluice could not start: ${message || code}`)
}

function addressesOf(config: Config, { url, port, graphiql }: App): string {
  if (!config.SLUICE_ROLES.includes('api')) {
    return `  Role        worker: runs jobs, and answers only http://localhost:${port}/health and /ready`
  }
  const page = `  GraphiQL    ${`${url}/graphql`}${graphiql ? '' : ' (API only; GRAPHIQL=true enables the page)'}`
  if (config.SLUICE_ROLES.includes('worker')) return page
  return `${page}\n  Role        api: only worker processes run syncs`
}

function modeOf(config: Config): string {
  return isLocalMode(config)
    ? 'local: only this machine can connect; storages can be on this machine and in private networks'
    : 'network: storages in loopback and private networks need an entry in EGRESS_ALLOWED'
}

function fail(code: number, message: string): never {
  console.error(message)
  process.exit(code)
}
