import { createRandom } from '../random.ts'
import { playExportPlace } from './export-place.ts'
import { playImportPlace } from './import-place.ts'
import { playLabels } from './labels.ts'
import { playMoves } from './moves.ts'
import { type PlaceKind, placeKinds } from './place.ts'
import { playReconnect } from './reconnect.ts'
import { type Scene, setScene } from './scene.ts'
import type { Played } from './verdict.ts'

const scenarios = {
  labels: playLabels,
  moves: playMoves,
  reconnect: playReconnect,
  imports: playImportPlace,
  exports: playExportPlace,
}
export type ScenarioName = keyof typeof scenarios
export const scenarioNames = Object.keys(scenarios) as ScenarioName[]

export interface ChangesVerdict extends Played {
  scenario: ScenarioName
  kind: PlaceKind
  seed: number
  seconds: number
}

/** Plays each scenario for each seed, on S3 and in local folders. */
export async function playChanges(
  {
    first,
    seeds,
    only = scenarioNames,
    killShare = 0.2,
  }: { first: number; seeds: number; only?: ScenarioName[]; killShare?: number },
  tell: (verdict: ChangesVerdict) => void = () => {},
): Promise<ChangesVerdict[]> {
  const scene = await setScene()
  const verdicts: ChangesVerdict[] = []
  try {
    for (let seed = first; seed < first + seeds; seed++) {
      for (const scenario of only) {
        for (const kind of placeKinds) {
          const verdict = await playOne(scene, { scenario, kind, seed, killShare })
          verdicts.push(verdict)
          tell(verdict)
        }
      }
    }
    return verdicts
  } finally {
    await scene.stop()
  }
}

async function playOne(
  scene: Scene,
  { scenario, kind, seed, killShare }: { scenario: ScenarioName; kind: PlaceKind; seed: number; killShare: number },
): Promise<ChangesVerdict> {
  const begun = performance.now()
  const random = createRandom(seed * 31 + placeKinds.indexOf(kind))
  const name = `${scenario}-${kind === 'S3' ? 's3' : 'local'}-${seed}`
  const { workers } = scene
  const logged = workers.log.length
  const played = await scenarios[scenario](scene, kind, { random, name, killShare }).catch((error: Error) => ({
    ...{ settings: '', kills: 0, runs: 0, splits: 0 },
    differences: [`the scenario did not end: ${error.stack}`],
  }))
  const errors = workers.log.slice(logged).filter((line) => line.includes('unexpected error'))
  const differences = [...played.differences, ...errors, ...workers.deaths.splice(0)]
  return { ...played, differences, scenario, kind, seed, seconds: (performance.now() - begun) / 1_000 }
}
