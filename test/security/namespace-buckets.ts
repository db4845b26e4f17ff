import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { GraphqlClient } from '@sluice/testkit/client.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { createStorage } from '@sluice/testkit/scenario.ts'
import { answerAsBucket, objectBody } from './one-object-bucket.ts'

export const redirects = [301, 302, 303, 307, 308]

/** An address as the host of a URL. */
export const inUrl = (text: string) => (text.includes(':') ? `[${text}]` : text)

const bucketAt = (host: string) => ({
  s3: {
    bucket: 'bucket',
    endpoint: `http://${host}`,
    accessKeyId: 'AKIAEXAMPLE',
    secretAccessKey: 'secret',
    region: 'us-east-1',
  },
})

/**
 * Answers for the hosts that are a working bucket. `moving-N.test` means a closed address once the check has listed it, so that only
 * its signed URL goes there; the signed URL of `led-STATUS-N.test` is redirected to one; `cached.test` just works.
 */
export function createBuckets({ closed, later }: { closed: readonly string[]; later: Map<string, string> }) {
  const listings = new Map<string, number>()
  return (request: IncomingMessage, response: ServerResponse): boolean => {
    const { host = '' } = request.headers
    const [, kind, status, n] = /^(?:(moving|led)(?:-(\d+))?-(\d+)|cached)\.test$/.exec(host) ?? []
    if (!kind && host !== 'cached.test') return false
    const address = closed[Number(n)]
    answerAsBucket(request, response, {
      listed() {
        const count = (listings.get(host) ?? 0) + 1
        listings.set(host, count)
        // The first contact, and the search for an object to sign.
        if (kind === 'moving' && count === 2) later.set(host, address!)
      },
      ...(status && { signedUrlLeadsTo: { status: Number(status), location: `http://${inUrl(address!)}/latest` } }),
    })
    return true
  }
}

/** Lets checks fetch signed URLs whose host has moved to a closed address, and such that are redirected there. */
export async function trySignedUrls(
  client: GraphqlClient,
  { projectId, closed }: { projectId: string; closed: readonly string[] },
): Promise<number> {
  const moving = closed.map((_, n) => [`moving-${n}.test`, 'BLOCKED_ADDRESS'] as const)
  const led = redirects.map((status, n) => [`led-${status}-${n * 7}.test`, 'DENIED'] as const)
  for (const [host, code] of [...moving, ...led]) {
    const { steps } = await createStorage(client, { projectId, location: bucketAt(host) })
    const failed = steps?.find(({ status }: { status: string }) => status === 'FAILED')
    assert.deepEqual([failed?.name, failed?.code], ['PRESIGN', code], host)
  }
  return moving.length + led.length
}

/** Reads through a link, whose client is cached, while its name means this and that address. */
export async function tryCachedClient(
  client: GraphqlClient,
  {
    projectId,
    url,
    token,
    closed,
    later,
  }: { projectId: string; url: string; token: string; closed: readonly string[]; later: Map<string, string> },
): Promise<number> {
  const made = await createStorage(client, { projectId, location: bucketAt('cached.test'), presign: false })
  assert.equal(made.__typename, 'CreateImportStorageSuccess', JSON.stringify(made))
  const project = numberOf(projectId)
  const link = new URL(`/projects/${project}/resolve/?fileuri=${btoa('s3://bucket/key')}`, url)
  const read = async () => {
    const response = await fetch(link, { headers: { authorization: `Bearer ${token}` }, redirect: 'manual' })
    return `${response.status} ${await response.text()}`
  }
  for (const address of closed) {
    later.delete('cached.test')
    assert.equal(await read(), `200 ${objectBody}`)
    later.set('cached.test', address)
    assert.match(await read(), /BLOCKED_ADDRESS/, address)
  }
  return closed.length
}
