import type { EntityManager } from '@mikro-orm/postgresql'
import type { Queue } from '../queue/agenda.ts'
import { cancelRuns } from '../runs/cancel-runs.ts'
import { ActiveRunsError } from '../storages/save.ts'

// A schedule can start another run between two tries.
const maxTries = 3

/**
 * Saves a change of a storage. With `cancelRunning`, it cancels the runs that use what changes, and saves the change when they
 * have ended. @throws ActiveRunsError without `cancelRunning`; what `save` throws
 */
export async function saveCanceling<T>(
  deps: { em: EntityManager; queue: Queue },
  cancelRunning: boolean | null | undefined,
  save: () => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await save()
    } catch (error) {
      if (!cancelRunning || !(error instanceof ActiveRunsError) || tries === maxTries) throw error
      await cancelRuns(deps, error.runs)
    }
  }
}
