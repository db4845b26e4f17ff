// Uses a place with the credentials of this process's environment alone, and prints what came of it.

import { text } from 'node:stream/consumers'
import { s3 } from '../../src/providers/s3/kind.ts'
import { environment } from './egress.ts'

const { location, ttlSeconds } = JSON.parse(process.argv[2]!)
const provider = await s3.open(s3.location.parse(location), {}, environment)
try {
  await provider.check()
  const { objects } = await provider.list({ cursor: null, limit: 10, recursive: true })
  const bodies = await Promise.all(objects.map(async ({ key }) => text((await provider.read(key)).body)))
  const url = await provider.presign!(objects[0]!.key, { ttlSeconds })
  console.log(JSON.stringify({ keys: objects.map((object) => object.key), bodies, url }))
} catch (error) {
  const { code, message } = error as { code: string; message: string }
  console.log(JSON.stringify({ code, message }))
}
provider.close()
