import { build } from 'rolldown'
import type { TestProject } from 'vitest/node'
import bundle from '../../rolldown.config.ts'
import { startPostgres } from './postgres.ts'

/** Starts PostgreSQL and builds the server that `launch` starts. In watch mode, each rerun builds it again. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const buildServer = async () => void (await build(bundle))
  project.onTestsRerun(buildServer)
  const building = buildServer()
  // The rejection is handled below, after PostgreSQL has started.
  building.catch(() => {})
  const stop = await startPostgres(project)
  try {
    await building
    return stop
  } catch (error) {
    await stop()
    throw error
  }
}
