import { randomBytes } from 'node:crypto'
import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { assertCanRead, assertCanReadFile } from '../../src/access/access.ts'
import { createMediaTokens, type MediaTokens } from '../../src/access/media-tokens.ts'
import type { Viewer } from '../../src/access/tokens.ts'
import { NotFoundError } from '../../src/errors.ts'
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
    expect(await tokens.authenticate(token, async () => null, 'PROJECT')).toEqual({ ...viewer, onlyProject: project })
  })

  it('is valid at once, even if the cache still has an older key', async () => {
    const project = await newProject()
    const old = await issue(project)
    const remembered = await keyOf(project)
    await tokens.rotate(project)
    const token = await issue(project)
    expect(await tokens.authenticate(token, async () => remembered, 'PROJECT')).toEqual({
      ...viewer,
      onlyProject: project,
    })
    const refused = { code: 'UNAUTHENTICATED' }
    await expect(tokens.authenticate(old, async () => await keyOf(project), 'PROJECT')).rejects.toMatchObject(refused)
    await expect(tokens.authenticate(old, async () => null, 'PROJECT')).rejects.toMatchObject(refused)
  })

  it('is refused after its project was deleted', async () => {
    const project = await newProject()
    const token = await issue(project)
    await query(app.databaseUrl, 'delete from project where id = $1', [project])
    await expect(tokens.authenticate(token, async () => undefined, 'PROJECT')).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    })
  })

  it('of a folder opens the files of that folder, and nothing else', async () => {
    const project = await newProject()
    const folder = { storage: 7, path: 'in/deep/' }
    const { token } = await tokens.issue(viewer, { project, ttlSeconds: 60, folder })
    const opened = await tokens.authenticate(token, () => keyOf(project), 'FOLDER')
    expect(opened).toEqual({ ...viewer, onlyProject: project, onlyFolder: folder })
    const file = { project, storage: 7, key: 'in/deep/er/a.ts' }
    expect(() => assertCanReadFile(opened, file)).not.toThrow()
    for (const other of [
      { ...file, project: project + 1 },
      { ...file, storage: 8 },
      { ...file, key: 'in/a.ts' },
      { ...file, key: 'in/deep' },
      { ...file, key: 'in/deeper/a.ts' },
    ]) {
      expect(() => assertCanReadFile(opened, other)).toThrow(NotFoundError)
    }
    expect(() => assertCanRead(opened, project)).toThrow(NotFoundError)
  })

  it('of a folder is refused as a token of the project, and the other way round', async () => {
    const project = await newProject()
    const whole = await issue(project)
    const folder = { storage: 7, path: '' }
    const { token } = await tokens.issue(viewer, { project, ttlSeconds: 60, folder })
    const refused = { code: 'UNAUTHENTICATED' }
    await expect(tokens.authenticate(token, () => keyOf(project), 'PROJECT')).rejects.toMatchObject(refused)
    await expect(tokens.authenticate(whole, () => keyOf(project), 'FOLDER')).rejects.toMatchObject(refused)
  })

  it('of a folder stays the same for a while, so that browsers can cache its links', async () => {
    const project = await newProject()
    const options = { project, ttlSeconds: 3_600, folder: { storage: 7, path: 'in/' } }
    const first = await tokens.issue(viewer, options)
    expect(await tokens.issue(viewer, options)).toEqual(first)
    expect((await tokens.issue(viewer, { ...options, folder: { storage: 7, path: 'in/2/' } })).token).not.toBe(
      first.token,
    )
  })
})
