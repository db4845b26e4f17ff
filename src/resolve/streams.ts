import { SluiceError } from '../errors.ts'
import { createQuota, type Quota } from '../quota.ts'

/** Limits the number of open streams. `take` throws SluiceError TOO_MANY_STREAMS. */
export type Streams = Quota<'viewer' | 'project'>

/** At most `max` streams in all, `maxPerViewer` for one viewer, and `maxPerProject` from the storages of one project. */
export function createStreams(limits: { max: number; maxPerViewer: number; maxPerProject: number }): Streams {
  return createQuota({
    max: limits.max,
    perName: { viewer: limits.maxPerViewer, project: limits.maxPerProject },
    refuse: () => new SluiceError('TOO_MANY_STREAMS'),
  })
}
