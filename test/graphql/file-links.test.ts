import { createTasks } from '@sluice/testkit/annotate.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { sync } from '@sluice/testkit/scenario.ts'
import { tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

type Storage = Awaited<ReturnType<World['storage']>>

describe('links to files that name others', () => {
  let world: World
  let storage: Storage
  beforeAll(async () => {
    world = await startWorld()
    storage = await world.storage({ objects: { 'in/a.m3u8': '#EXTM3U' }, presign: true })
  })
  afterAll(() => world?.stop())

  async function read(taskId: string, mediaToken = true) {
    const { task } = await world.app.request(
      'query ($id: ID!, $token: Boolean) { task(id: $id) { databaseId resolvedData(mediaToken: $token) } }',
      { id: taskId, token: mediaToken },
    )
    return task
  }
  async function resolved(data: unknown, { project } = storage) {
    const [id] = await createTasks(world.app, project, [data])
    return (await read(id!)).resolvedData
  }
  /** The start of links to the files of a storage. */
  const startOf = ({ project, databaseId } = storage) =>
    new RegExp(`^${world.app.url}/projects/${numberOf(project)}/files/[\\w.-]+/${databaseId}/`)
  const uri = (key: string) => `s3://${storage.bucket}/${key}`

  it('are made for their types only, at any depth', async () => {
    const data = { list: [uri('in/a.m3u8'), uri('in/a.mp4')], deep: { model: uri('in/B.GLTF') } }
    const { list, deep } = await resolved(data)
    expect(list[0].replace(startOf(), '')).toBe('in/a.m3u8')
    expect(list[1]).toContain('/resolve/?fileuri=')
    expect(deep.model.replace(startOf(), '')).toBe('in/B.GLTF')
    expect(deep.model.split('/')[6]).toBe(list[0].split('/')[6])
  })

  it('have one token for each folder', async () => {
    const { files } = await resolved({ files: ['in/a.m3u8', 'in/b.mpd', 'in/x/a.m3u8', 'a.m3u8'].map(uri) })
    const tokens = files.map((file: string) => file.split('/')[6])
    expect([tokens[0] === tokens[1], new Set(tokens).size]).toEqual([true, 3])
  })

  it('stay whole in HTML, Markdown and CSS', async () => {
    const data = {
      html: `<video src="${uri("in/it's (1).m3u8")}"></video>`,
      single: `<video src='${uri('in/a (1).m3u8')}'></video>`,
      markdown: `[play](<${uri('in/a (1).m3u8')}>)`,
    }
    const { html, single, markdown } = await resolved(data)
    expect(html).toMatch(/^<video src="http:[^"]+\/in\/it%27s%20%281%29\.m3u8"><\/video>$/)
    expect(single).toMatch(/^<video src='http:[^']+\/in\/a%20%281%29\.m3u8'><\/video>$/)
    expect(markdown).toMatch(/^\[play\]\(<http:[^>]+\/in\/a%20%281%29\.m3u8>\)$/)
  })

  it.each(['in//a.m3u8', 'in/./a.m3u8', 'in/../a.m3u8', 'in\\a.m3u8', `in/${'ü'.repeat(700)}.m3u8`])(
    'keep the form of resolve links if a URL cannot contain the key: %s',
    async (key) => {
      const { file } = await resolved({ file: uri(key) })
      expect(Buffer.from(new URL(file).searchParams.get('fileuri')!, 'base64url').toString()).toBe(uri(key))
    },
  )

  it('are made for mapped URLs and HTTPS addresses', async () => {
    const { project, id, bucket } = await world.storage({ objects: { 'in/a.m3u8': '#EXTM3U' }, presign: false })
    await world.app.request(
      `mutation ($input: UpdateProjectInput!) { updateProject(input: $input) {
        ... on UpdateProjectSuccess { project { id } } ... on Error { code message } } }`,
      {
        input: {
          ...{ id: project, resolveHttpsUrls: true },
          urlMappings: [{ prefix: '/data/local-files/?d=', storageId: id, keyPrefix: '' }],
        },
      },
    )
    const address = `${world.front.endpoint}/${bucket}/in/a.m3u8?X-Amz-Signature=old`
    const { mapped, web } = await resolved(
      { mapped: '/data/local-files/?d=in%2Fa.m3u8', web: address },
      {
        ...storage,
        project,
      },
    )
    expect(mapped).toMatch(/\/files\/[\w.-]+\/\d+\/in\/a\.m3u8$/)
    expect(web).toBe(mapped)
    expect(await (await fetch(web)).text()).toBe('#EXTM3U')
  })

  it('name the storage that the task was imported from, if several could serve the file', async () => {
    const bucket = await world.bucket({ 'a.m3u8': '#EXTM3U' })
    const first = await world.storage({ bucket, presign: false })
    const { project } = first
    const second = await world.storage({ bucket, project, presign: false, allowDuplicate: true, importMethod: 'FILES' })
    await sync(world.app, second.id)
    const [task] = await tasksOf(world.app, project)
    expect((await read(task!.id)).resolvedData.file).toMatch(startOf(second))
  })

  it('have no token unless one was requested', async () => {
    const [id] = await createTasks(world.app, storage.project, [{ file: uri('in/a.m3u8') }])
    const { resolvedData } = await read(id!, false)
    const base = `${world.app.url}/projects/${numberOf(storage.project)}/files`
    expect(resolvedData.file).toBe(`${base}/-/${storage.databaseId}/in/a.m3u8`)
  })

  it('are the same for a while, so that browsers can use their cache', async () => {
    const [id] = await createTasks(world.app, storage.project, [{ file: uri('in/a.m3u8') }])
    const { file } = (await read(id!)).resolvedData
    expect((await read(id!)).resolvedData.file).toBe(file)
  })

  it('are the URLs of resolveUris, although the storage presigns', async () => {
    const { resolveUris } = await world.app.request(
      'query ($id: ID!, $uris: [String!]!) { resolveUris(projectId: $id, uris: $uris) { url mode expiresAt code } }',
      { id: storage.project, uris: [uri('in/a.m3u8'), uri('in/a.ts'), 's3://elsewhere/a.m3u8'] },
    )
    expect(resolveUris[0]).toMatchObject({ mode: 'PROXY', url: expect.stringMatching(startOf()), code: null })
    expect(Date.parse(resolveUris[0].expiresAt)).toBeGreaterThan(Date.now() + 3_600_000)
    expect(await (await fetch(resolveUris[0].url)).text()).toBe('#EXTM3U')
    expect(resolveUris[1]).toMatchObject({ mode: 'PRESIGN' })
    expect(resolveUris[2]).toMatchObject({ url: null, code: 'NOT_FOUND' })
  })
})
