if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(`Sluice needs Node 24 or newer, and this is ${process.version}.
"npm ci" installs one for the npm scripts unless scripts are ignored: run "npm ci", then "npm start".`)
  process.exit(78)
}

const [{ startApp }, { ConfigError, readConfig }, { DataFolderInUse }] = await Promise.all([
  import('./app.ts'),
  import('./config.ts'),
  import('./database/embedded.ts'),
])

try {
  const config = readConfig(process.env)
  const app = await startApp(config)
  console.log(`Sluice is ready.
  GraphiQL    ${config.GRAPHIQL ? `${app.url}/graphql` : 'switched off (GRAPHIQL)'}
  Database    ${app.clusterFolder ? `embedded PostgreSQL in ${app.clusterFolder}` : 'the one of DATABASE_URL'}
  Data folder ${config.DATA_DIR}`)
  if (app.firstToken) console.log(`  Admin token ${app.firstToken}   (shown only this once)`)

  const stop = async (signal: NodeJS.Signals) => {
    // A second signal means: now.
    process.once(signal, () => process.exit(130))
    console.log('Stopping …')
    await app.stop()
    process.exit(0)
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
} catch (error) {
  if (error instanceof ConfigError) fail(78, error.message)
  if (error instanceof DataFolderInUse) fail(75, error.message)
  const { code, port, address } = error as NodeJS.ErrnoException & { port?: number; address?: string }
  if (code === 'EADDRINUSE') fail(75, `Port ${port} on ${address} is taken. Set PORT to another one.`)
  if (code === 'EACCES' && port) fail(77, `Port ${port} may not be opened by this user. Set PORT to one above 1023.`)
  fail(1, `Sluice could not start: ${(error as Error).message}`)
}

function fail(code: number, message: string): never {
  console.error(message)
  process.exit(code)
}

export {}
