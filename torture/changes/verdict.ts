import type { RunRow } from './scene.ts'

/** What came of a scenario. */
export interface Played {
  /** Its settings, in words. */
  settings: string
  /** Workers that were killed. */
  kills: number
  runs: number
  /** Ranges that other workers took from the one that led an import. */
  splits: number
  /** What is not as it should be; empty = all is well. */
  differences: string[]
}

/** Counts a run, and the workers that were killed during it. */
export function countRun(played: Played, { run, kills }: { run: RunRow; kills: number }): void {
  played.kills += kills
  played.runs++
  played.splits += run.splits
}
