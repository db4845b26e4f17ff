import type { StorageDirection } from './storage.ts'
import type { RunKind } from './sync-run.ts'

/** What the runs of one kind do. Code reads this table and compares no kinds. */
interface RunPolicy {
  /** Directions of the storages that can have such runs. */
  directions: readonly StorageDirection[]
  /**
   * What a run processes: what the settings of the storage select, what failed in another run, what a client chose, or links, without
   * access to the bucket.
   */
  source: 'SETTINGS' | 'FAILURES' | 'CHOICE' | 'LINKS'
  /**
   * Whether the run is a sync. A storage has at most one active sync, and `Storage.status`, webhooks and schedules follow its syncs.
   * Other runs change none of these, and can run beside a sync and beside each other.
   */
  isSync: boolean
  /** Whether the run only counts what it would write. */
  countsOnly: boolean
  /** Imports: whether several workers can process ranges of keys at the same time. */
  splitsRanges: boolean
  /** Imports: whether all filters apply. Otherwise only `skipSidecars` does, because an earlier run has applied the others. */
  appliesFilters: boolean
  /** Imports: which objects the run can find missing: all that a complete listing lacks, those of its own keys, or none. */
  findsMissing: 'BY_LISTING' | 'BY_KEY' | 'NEVER'
  /** Imports: whether the next NEW_ONLY sync starts after the keys of this run. */
  movesHighestKey: boolean
}

/** What the runs of each kind do. */
export const runPolicies: Record<RunKind, RunPolicy> = {
  SYNC: {
    directions: ['IMPORT', 'EXPORT'],
    source: 'SETTINGS',
    isSync: true,
    countsOnly: false,
    splitsRanges: true,
    appliesFilters: true,
    findsMissing: 'BY_LISTING',
    movesHighestKey: true,
  },
  RETRY: {
    directions: ['IMPORT', 'EXPORT'],
    source: 'FAILURES',
    isSync: true,
    countsOnly: false,
    splitsRanges: false,
    appliesFilters: false,
    findsMissing: 'NEVER',
    movesHighestKey: false,
  },
  DRY_RUN: {
    directions: ['IMPORT'],
    source: 'SETTINGS',
    isSync: false,
    countsOnly: true,
    splitsRanges: true,
    appliesFilters: true,
    findsMissing: 'BY_LISTING',
    movesHighestKey: false,
  },
  CHOSEN: {
    directions: ['IMPORT', 'EXPORT'],
    source: 'CHOICE',
    isSync: false,
    countsOnly: false,
    splitsRanges: false,
    appliesFilters: true,
    findsMissing: 'BY_KEY',
    movesHighestKey: false,
  },
  RELOCATE: {
    directions: ['IMPORT'],
    source: 'LINKS',
    isSync: false,
    countsOnly: false,
    splitsRanges: false,
    appliesFilters: false,
    findsMissing: 'NEVER',
    movesHighestKey: false,
  },
}

/** The policy of a kind that comes from a row or an event. */
export const policyOf = (kind: unknown): RunPolicy => runPolicies[kind as RunKind]

/** The kinds of runs that are syncs. */
export const syncKinds = Object.entries(runPolicies).flatMap(([kind, { isSync }]) => (isSync ? [kind] : []))
