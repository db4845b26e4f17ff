import { sync } from '@sluice/testkit/scenario.ts'
import { query, type Sent, watchStatements } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const linksOf = async (id: string, args: string) => {
  const { node } = await world.app.request(
    `query ($id: ID!) { node(id: $id) { ... on ImportStorage { links(${args}) { edges { node { key } } } } } }`,
    { id },
  )
  return node.links.edges.map((edge: { node: { key: string } }) => edge.node.key)
}

describe('the links of a storage', () => {
  it('below a prefix are those whose key starts with it, whatever characters it has', async () => {
    const keys = ['a_b.jpg', 'axb.jpg', 'a%b.jpg', 'a\\b.jpg', 'b.jpg']
    const storage = await world.storage({ objects: Object.fromEntries(keys.map((key) => [key, 'x'])) })
    await sync(world.app, storage.id)
    for (const prefix of ['a_', 'a%', 'a\\', 'b']) {
      const expected = keys.filter((key) => key.startsWith(prefix))
      expect(await linksOf(storage.id, `first: 9, keyPrefix: ${JSON.stringify(prefix)}`)).toEqual(expected)
    }
    expect(await linksOf(storage.id, 'first: 9, keyPrefix: "a"')).toHaveLength(4)
  })

  it('are found without reading other links, even if they are few among many', async () => {
    const bucket = await world.bucket()
    await world.s3.seed(bucket, { count: 20_000, prefix: 'img/', suffix: '.jpg' })
    const storage = await world.storage({ bucket })
    await sync(world.app, storage.id)
    const { databaseUrl } = world.app
    await query(databaseUrl, 'vacuum analyze import_link')
    await query(
      databaseUrl,
      `update import_link set object_exists = false where storage_id = $1 and key like '%0007.jpg'`,
      [storage.databaseId],
    )
    for (const [args, found] of [
      ['first: 50, objectExists: false', 2],
      ['first: 50, keyPrefix: "img/0000123"', 10],
    ] as const) {
      const sent: Sent[] = []
      const end = watchStatements(sent)
      expect(await linksOf(storage.id, args)).toHaveLength(found)
      end()
      const { text, params } = sent.find((one) => one.text.includes('from "import_link"'))!
      const [{ 'QUERY PLAN': plan }] = await query(
        databaseUrl,
        `explain (analyze, buffers, format json) ${text}`,
        params,
      )
      const { 'Shared Hit Blocks': hit, 'Shared Read Blocks': read } = plan[0].Plan
      expect(hit + read).toBeLessThan(40)
    }
  })
})
