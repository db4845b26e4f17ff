import { createClient } from '@sluice/testkit/client.ts'
import { type Launched, launch, postgresRuns, temporaryFolder } from '@sluice/testkit/launch.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'

const titles = 'query { projects { edges { node { title } } } }'

/** Starts on the folder, and stops when the test is over. */
function start(env: Record<string, string>): Launched {
  const server = launch(env)
  onTestFinished(() => void server.end('SIGKILL'))
  return server
}

describe('npm start, on one data folder', () => {
  const folder = temporaryFolder()
  const env = { DATA_DIR: folder.path }
  let token: string
  afterAll(async () => {
    // Whatever was killed left its PostgreSQL behind; one more start takes it over.
    if (postgresRuns(folder.path)) {
      const last = launch(env)
      await last.ready()
      await last.end()
    }
    folder.remove()
  })

  it('prints GraphiQL, the data folder and a working admin token at the first start', async () => {
    const server = start(env)
    const first = await server.ready()
    expect(await server.prints('does not show it again')).toContain(`Data folder ${folder.path}`)
    const page = await fetch(`${first.url}/graphql`, { headers: { accept: 'text/html' } })
    expect(page.headers.get('content-type')).toContain('text/html')
    token = first.token!
    await createProject(createClient(first.url, token), 'Kept')

    const { code, output } = await server.end('SIGINT')
    expect(output.trimEnd()).toMatch(/Stopping …$/)
    expect(code).toBe(0)
    expect(postgresRuns(folder.path)).toBe(false)
  })

  it('has the data and accepts the token at the second start, and prints no token again', async () => {
    const server = start(env)
    const second = await server.ready()
    expect(second.token).toBeUndefined()
    const { projects } = await createClient(second.url, token).request(titles)
    expect(projects.edges).toEqual([{ node: { title: 'Kept' } }])
    expect((await server.end('SIGTERM')).code).toBe(0)
    expect(postgresRuns(folder.path)).toBe(false)
  })

  it('recovers automatically after kill -9', async () => {
    const killed = start(env)
    const { url } = await killed.ready()
    await createProject(createClient(url, token), 'Made just before the end')
    await killed.end('SIGKILL')
    expect(postgresRuns(folder.path)).toBe(true)

    const server = start(env)
    const again = await server.ready()
    const { projects } = await createClient(again.url, token).request(titles)
    expect(projects.edges).toHaveLength(2)
    expect((await server.end()).code).toBe(0)
    expect(postgresRuns(folder.path)).toBe(false)
  })

  it('refuses a second start in one line while the first one runs, and the first one continues', async () => {
    const first = start(env)
    const { url } = await first.ready()
    const second = await start(env).ended
    expect(second.code).toBe(75)
    expect(second.output).toBe(
      `Another Sluice is running on the data folder ${folder.path}. Stop it, or set DATA_DIR.\n`,
    )
    const { projects } = await createClient(url, token).request(titles)
    expect(projects.edges).toHaveLength(2)
    expect((await first.end()).code).toBe(0)
  })

  it('starts at once while the previous one is still stopping', async () => {
    const first = start(env)
    await first.ready()
    first.child.kill('SIGINT')
    const second = start(env)
    await second.ready()
    expect((await first.ended).code).toBe(0)
    expect((await second.end()).code).toBe(0)
  })
})
