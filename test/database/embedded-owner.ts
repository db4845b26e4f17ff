// Starts the embedded PostgreSQL in the folder given and reports its URL; ends only by being killed. What was committed is on
// disk then if a second argument says "durable".
import { startEmbedded } from '../../src/database/embedded.ts'

const [, , dataDir, kind] = process.argv
const { url } = await startEmbedded({ dataDir: dataDir!, throwAway: kind !== 'durable' })
process.send!({ url })
setInterval(() => {}, 1_000_000)
