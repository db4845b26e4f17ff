// An emulator of ours as a process of its own, so that its work is not measured with what asks it. Started by
// `forkServer`, which it does not outlive.
import { startGcs } from '@sluice/testkit/gcs.ts'
import { startSmallRedis } from '@sluice/testkit/redis-small.ts'

/** Objects of `size` bytes to be put into the place, by their keys. */
export type Put = { key: string; size: number }[]
export type ServerReport = { host: string; port: number }

const [kind, bucket] = process.argv.slice(2) as ['gcs' | 'redis', string]
process.on('disconnect', () => process.exit())

if (kind === 'redis') {
  const { host, port } = await startSmallRedis({})
  process.send!({ host, port } satisfies ServerReport)
} else {
  const gcs = await startGcs()
  gcs.createBucket(bucket, { isPublic: true })
  process.once('message', (objects: Put) => {
    for (const { key, size } of objects) gcs.put(bucket, key, Buffer.alloc(size, 'x'), { contentType: 'image/jpeg' })
    process.send!({ host: '127.0.0.1', port: gcs.port } satisfies ServerReport)
  })
}
