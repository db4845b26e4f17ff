import type { S3Request } from '@sluice/testkit/s3-front.ts'
import { describe, expect, it } from 'vitest'
import { type ActName, acts } from '../../torture/acts.ts'
import { differencesOf } from '../../torture/differences.ts'
import type { Outcome, RunOutcome } from '../../torture/outcome.ts'
import { planOf } from '../../torture/plan.ts'
import { createWitness } from '../../torture/witness.ts'

const run = (more: Partial<RunOutcome> = {}): RunOutcome => ({
  id: '1',
  status: 'COMPLETED_WITH_ERRORS',
  attempt: 2,
  failure: null,
  counters: { listed: 3, created: 2, existed: 0, failed: 1 },
  issues: [{ line: 'c -1 -1 NOT_JSON', retryable: false }],
  states: [
    { kind: 'STATUS', status: 'QUEUED', attempt: 1, listed: 0 },
    { kind: 'STATUS', status: 'IN_PROGRESS', attempt: 1, listed: 0 },
    { kind: 'STATUS', status: 'QUEUED', attempt: 2, listed: 2 },
    { kind: 'STATUS', status: 'IN_PROGRESS', attempt: 2, listed: 2 },
    { kind: 'STATUS', status: 'COMPLETED_WITH_ERRORS', attempt: 2, listed: 3 },
  ],
  ...more,
})

const outcome = (more: Partial<Outcome> = {}): Outcome => ({
  tasks: ['a', 'b'],
  objects: [],
  runs: [run()],
  project: { tasks: 2, highest: 2, lastInnerId: 2, orphans: 0 },
  storage: { last_run: '1', last_sync_count: '2', synced: true },
  ...more,
})

describe('the torture harness', () => {
  const found = (more: Partial<Outcome>) => differencesOf(outcome(), outcome(more), 0)

  it('finds no difference if a run that was taken over has the result of an undisturbed one', () => {
    expect(found({})).toEqual([])
  })

  it.each<[string, Partial<Outcome>]>([
    ['task missing: b', { tasks: ['a'] }],
    ['task too many: b', { tasks: ['a', 'b', 'b'] }],
    ['issue too many: c', { runs: [run({ issues: [...run().issues, ...run().issues] })] }],
    ['1 tasks have no link', { project: { tasks: 2, highest: 2, lastInnerId: 2, orphans: 1 } }],
    ['2 tasks have inner ids up to 3', { project: { tasks: 2, highest: 3, lastInnerId: 3, orphans: 0 } }],
    ['the last status is COMPLETED', { runs: [run({ status: 'COMPLETED' })] }],
    ['the counter existed is 1, not 0', { runs: [run({ counters: { ...run().counters, existed: 1 } })] }],
    ['went an unlawful way', { runs: [run({ states: run().states.toSpliced(2, 1) })] }],
    ['has events after its end', { runs: [run({ states: [...run().states, run().states.at(-1)!] })] }],
    ["the storage's last count", { storage: { last_run: '1', last_sync_count: '1', synced: true } }],
  ])('reports %s', (words, more) => {
    expect(found(more).join('\n')).toContain(words)
  })

  it('counts the tasks of all runs if the user had to sync again', () => {
    const failed = run({ status: 'FAILED', counters: { listed: 1, created: 1, existed: 0, failed: 0 } })
    const steps = [...run().states.slice(0, 2), { kind: 'STATUS', status: 'FAILED', attempt: 1, listed: 1 }]
    const again = run({ id: '2', counters: { listed: 3, created: 1, existed: 1, failed: 1 } })
    const runs = [{ ...failed, states: steps }, again]
    expect(found({ runs, storage: { last_run: '2', last_sync_count: '1', synced: true } })).toEqual([])
  })

  it('detects repeated lists and reads after a checkpoint, except by a worker that cannot know it', () => {
    const witness = createWitness(() => [{ from: '', to: 'm' }])
    const ask = (operation: string, at: { url?: string; key?: string }, worker = 'worker-1') =>
      witness.see({ operation, url: '/', key: '', ...at, headers: { 'user-agent': `sdk app/${worker}` } } as S3Request)
    ask('ListObjectsV2', { url: '/b?list-type=2&start-after=m' })
    ask('GetObject', { key: 'n' })
    witness.excuse('frozen')
    ask('ListObjectsV2', { url: '/b?list-type=2' }, 'frozen')
    expect([witness.listedAgain, witness.readAgain]).toEqual([[], []])
    ask('ListObjectsV2', { url: '/b?list-type=2&start-after=l' })
    ask('GetObject', { key: 'm' })
    expect([witness.listedAgain, witness.readAgain]).toEqual([['l'], ['m']])
    expect(witness.lastWorker).toBe('worker-1')
  })

  it('allows a worker to list one page ahead into a range that was split off, and no more', () => {
    const done = [{ from: '', to: 'c' }]
    const witness = createWitness(() => done)
    const list = (start: string, worker: string) =>
      witness.see({
        operation: 'ListObjectsV2',
        url: `/b?list-type=2&start-after=${start}`,
        key: '',
        headers: { 'user-agent': `sdk app/${worker}` },
      } as S3Request)
    list('d', 'worker-1')
    done.push({ from: 'f', to: 'k' })
    list('g', 'worker-1')
    expect(witness.listedAgain).toEqual([])
    list('h', 'worker-1')
    list('h', 'worker-2')
    expect(witness.listedAgain).toEqual(['h', 'h'])
  })

  it('plans the same round for the same seed', () => {
    const kinds = Object.keys(acts) as ActName[]
    expect(planOf(7, kinds)).toEqual(planOf(7, kinds))
    expect(planOf(7, kinds)).not.toEqual(planOf(8, kinds))
  })
})
