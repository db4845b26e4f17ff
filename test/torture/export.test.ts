import { afterAll, beforeAll, expect, it } from 'vitest'
import { playExportRound } from '../../torture/export-round.ts'
import { type Stage, setStage } from '../../torture/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await setStage()
})
afterAll(() => stage?.stop())

it('exports survive killed workers: every annotation is exported in its current state, and nothing else', async () => {
  const { kills, differences } = await playExportRound(stage, 1)
  expect(kills).toBe(3)
  expect(differences).toEqual([])
})
