import { randomBytes } from 'node:crypto'
import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createMediaTokens, type MediaTokens } from '../../src/access/media-tokens.ts'
import type { Viewer } from '../../src/access/tokens.ts'
import { createSealer } from '../../src/security/seal.ts'

const viewer: Viewer = { id: 'token:1', name: 'reader' }

describe('a media token', () => {
  let app: TestApp
  let tokens: MediaTokens
  beforeAll(async () => {
    app = await startTestApp()
    const sealer = createSealer(randomBytes(32).toString('base64url'))
    tokens = createMediaTokens({ em: app.orm.em, sealer, getViewer: async () => viewer })
  })
  afterAll(() => app?.stop())

  const newProject = async () => Number(atob(await createProject(app)).split(':')[1])
  const issue = async (project: number) => (await tokens.issue(viewer, { project, ttlSeconds: 60 })).token
  const keyOf = async (project: number): Promise<string> =>
    (await query(app.databaseUrl, 'select media_key from project where id = $1', [project]))[0].media_key

  it('is valid at once, even if the cache still says that its project has no key', async () => {
    const project = await newProject()
    const token = await issue(project)
    expect(await tokens.authenticate(token, async () => null)).toEqual({ ...viewer, onlyProject: project })
  })

  it('is valid at once, even if the cache still has an older key', async () => {
    const project = await newProject()
    const old = await issue(project)
    const remembered = await keyOf(project)
    await tokens.rotate(project)
    const token = await issue(project)
    expect(await tokens.authenticate(token, async () => remembered)).toEqual({ ...viewer, onlyProject: project })
    const refused = { code: 'UNAUTHENTICATED' }
    await expect(tokens.authenticate(old, async () => await keyOf(project))).rejects.toMatchObject(refused)
    await expect(tokens.authenticate(old, async () => null)).rejects.toMatchObject(refused)
  })

  it('is refused after its project was deleted', async () => {
    const project = await newProject()
    const token = await issue(project)
    await query(app.databaseUrl, 'delete from project where id = $1', [project])
    await expect(tokens.authenticate(token, async () => undefined)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })
})
