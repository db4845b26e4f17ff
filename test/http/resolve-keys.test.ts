import { text } from 'node:stream/consumers'
import { hostileKeys } from '@sluice/testkit/conformance/hostile-keys.ts'
import { openDownload } from '@sluice/testkit/download.ts'
import { type KindWorld, startKindWorld } from '@sluice/testkit/kind-world.ts'
import { kindNames } from '@sluice/testkit/storage-kinds.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasDotSegments } from '../../src/providers/kit/dot-segments.ts'
import { encodeKeyPath } from '../../src/resolve/key-path.ts'

/** How many of the keys a link serves at least: those that the storage can hold, without those that are not sent to it. */
const least = { S3: 31, GCS: 29, AZURE_BLOB: 30, REDIS: 34, LOCAL_FILES: 20 }
/** The same for links with the key in the path. */
const leastFiles = 24
/** Kinds that are asked by paths of URLs, in which a proxy may remove dot segments. */
const askedByPath: string[] = ['S3', 'GCS', 'AZURE_BLOB']

describe.each(kindNames)('a link to a hostile key of %s', (kind) => {
  let world: KindWorld
  /** The number of each key; its object says it. */
  const stored = new Map<string, number>()
  beforeAll(async () => {
    world = await startKindWorld(kind, {}, { presign: true })
    for (const [number, name] of Object.values(hostileKeys).entries()) {
      const key = `in/${name}`
      await world.put(key, `object ${number}`).then(
        () => stored.set(key, number),
        () => {},
      )
    }
  }, 60_000)
  afterAll(() => world?.stop())

  const ask = async (url: string) =>
    (await openDownload(url, { headers: { authorization: `Bearer ${world.app.token}` } })).answer

  it('serves exactly that object, or none', { timeout: 60_000 }, async () => {
    const served: string[] = []
    let servedAsFiles = 0
    for (const name of Object.values(hostileKeys)) {
      const key = `in/${name}`
      const own = `object ${stored.get(key)}`
      const base = world.url('').split('?')[0]
      const resolveUrls = [world.url(key), `${base}?fileuri=${encodeURIComponent(world.uri + key)}`]
      // Also for keys that such a link cannot name.
      const fileUrl = world.fileUrl(key.toWellFormed().split('/').map(encodeURIComponent).join('/'))
      for (const url of [...resolveUrls, fileUrl]) {
        const answer = await ask(url)
        const said = await text(answer)
        if (url === fileUrl && encodeKeyPath(key) === undefined) {
          expect([key, answer.statusCode]).toEqual([key, 400])
          continue
        }
        expect([200, 303, 404]).toContain(answer.statusCode)
        if (url === fileUrl && answer.statusCode !== 404) servedAsFiles++
        if (answer.statusCode === 404) continue
        served.push(key)
        if (answer.statusCode === 200) {
          expect([key, said]).toEqual([key, own])
          continue
        }
        // As it stands, since a parsed URL might be another one.
        const location = answer.headers.location!
        expect(location).toMatch(/^http:\/\/[\x21-\x7e]+$/)
        const { answer: signed } = await openDownload(location)
        const given = await text(signed)
        expect([key, signed.statusCode, given]).toEqual(
          stored.has(key) ? [key, 200, own] : [key, expect.any(Number), expect.not.stringMatching(/^object \d/)],
        )
      }
    }
    expect(new Set(served.filter((key) => stored.has(key))).size).toBeGreaterThanOrEqual(least[kind])
    expect(servedAsFiles).toBeGreaterThanOrEqual(leastFiles)
    if (askedByPath.includes(kind)) expect(served.filter(hasDotSegments)).toEqual([])
  })
})
