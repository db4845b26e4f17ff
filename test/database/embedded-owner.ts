// Starts the embedded PostgreSQL in the folder given and reports its URL; ends only by being killed.
import { startEmbedded } from '../../src/database/embedded.ts'

const { url } = await startEmbedded({ dataDir: process.argv[2]!, throwAway: true })
process.send!({ url })
setInterval(() => {}, 1_000_000)
