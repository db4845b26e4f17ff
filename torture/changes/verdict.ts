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
