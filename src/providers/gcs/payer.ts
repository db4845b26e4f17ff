// An owner may turn Requester Pays on at any time. Every response of a request tells whether it is on.
const knownMs = 5 * 60_000

/** Which project the requests of a bucket name as the one that pays (Cloud Storage, "Requester Pays"). */
export interface Payer {
  /** What requests name as `userProject`; undefined = nothing, as long as the bucket does not demand it. */
  readonly project: string | undefined
  /** Whether `project` is right, as a response of the last 5 minutes has shown. */
  readonly isKnown: boolean
  /** A request that named `project` succeeded. */
  confirm(): void
  /** Call it when the bucket demands a payer. Returns true if requests name a project from now on and did not before. */
  demand(): boolean
}

/**
 * Names `projectId` only once the bucket demands it, because naming a project takes a permission on it
 * (serviceusage.services.use), which elsewhere nobody needs.
 */
export function createPayer(projectId: string | undefined): Payer {
  let project: string | undefined
  let confirmedAt = Number.NEGATIVE_INFINITY
  return {
    get project() {
      return project
    },
    get isKnown() {
      return projectId === undefined || project !== undefined || performance.now() - confirmedAt < knownMs
    },
    confirm() {
      if (projectId !== undefined) confirmedAt = performance.now()
    },
    demand() {
      if (projectId === undefined || project !== undefined) return false
      project = projectId
      return true
    },
  }
}
