// The owner can turn Requester Pays on at any time. Every response shows whether it is on.
const knownMs = 5 * 60_000

/** Chooses the project that pays for the requests to a bucket (Cloud Storage, "Requester Pays"). */
interface Payer {
  /** The `userProject` of requests. Undefined as long as the bucket does not demand one. */
  readonly project: string | undefined
  /** Whether `project` is right: it is set, no other choice exists, or a response has confirmed it in the last 5 minutes. */
  readonly isKnown: boolean
  /** A request that named `project` succeeded. */
  confirm(): void
  /** Call it when the bucket demands a payer. Returns true if this sets `project`. */
  demand(): boolean
}

/**
 * Sends `projectId` only after the bucket has demanded it, because naming a project requires a permission on it
 * (serviceusage.services.use) that other buckets do not need.
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
