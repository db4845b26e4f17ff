import type { Agent } from 'node:http'
import { openDownload } from '@sluice/testkit/download.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import type { World } from '@sluice/testkit/world.ts'

/** The number in a global ID; the paths of links contain it. */

/** A URI in base64url, as links contain it. */
export const encode = (uri: string | Buffer) => Buffer.from(uri).toString('base64url')

/** Ten bytes; each one is its own position. */
export const digits = '0123456789'

/** 8 MB, one number per line. */
export const large = Array.from({ length: 1_000_000 }, (_, n) => String(n).padStart(7, '0')).join('\n')

/** Connects a storage whose objects are streamed, and requests them by links of its project. */
export async function streamed(world: World, objects: Record<string, string>) {
  const storage = await world.storage({ objects, presign: false })
  const project = numberOf(storage.project)
  const path = (key: string) =>
    `/projects/${project}/resolve/?fileuri=${Buffer.from(`s3://${storage.bucket}/${key}`).toString('base64url')}`
  const authorization = `Bearer ${world.app.token}`
  return {
    ...storage,
    path,
    get: (key: string, headers: Record<string, string> = {}, method = 'GET') =>
      fetch(world.app.url + path(key), { method, redirect: 'manual', headers: { authorization, ...headers } }),
    /** The answer as soon as its headers are there; its body waits. */
    open: (key: string, { agent, headers = {} }: { agent?: Agent; headers?: Record<string, string> } = {}) =>
      openDownload(world.app.url + path(key), { headers: { authorization, ...headers }, ...(agent && { agent }) }),
    /** Requests that reached the bucket while `work` ran. */
    async upstream(work: () => Promise<unknown>) {
      const before = { ...world.front.counts }
      await work()
      const counts = Object.entries(world.front.counts).map(([name, n]) => [name, n - (before[name] ?? 0)])
      return Object.fromEntries(counts.filter(([, n]) => n !== 0))
    },
  }
}

/** The METRICS_TOKEN of an app whose metrics `metricOf` reads. */
export const metricsToken = 'metrics-token-0123456789'

/** Value of a metric of the server, 0 if it has none of that name. */
export async function metricOf(world: World, name: string): Promise<number> {
  const answer = await fetch(`${world.app.url}/metrics`, { headers: { authorization: `Bearer ${metricsToken}` } })
  const line = (await answer.text()).split('\n').find((line) => line.startsWith(`${name} `))
  return Number(line?.slice(name.length) ?? 0)
}
