import { afterAll, beforeAll } from 'vitest'
import { azureChecks } from './azure-checks.ts'
import { describeChecks } from './check-table.ts'
import { startWorld, type World } from './check-world.ts'
import { gcsChecks } from './gcs-checks.ts'
import { localChecks } from './local-checks.ts'
import { redisChecks } from './redis-checks.ts'
import { s3Checks } from './s3-checks.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

describeChecks(() => world, s3Checks)
describeChecks(() => world, gcsChecks)
describeChecks(() => world, azureChecks)
describeChecks(() => world, redisChecks)
describeChecks(() => world, localChecks)
