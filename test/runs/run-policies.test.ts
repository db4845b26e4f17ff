import { describe, expect, it } from 'vitest'
import { runPolicies, syncKinds } from '../../src/entities/run-policies.ts'
import { runKinds, SyncRunEntity } from '../../src/entities/sync-run.ts'

describe('the policies of runs', () => {
  it('define every kind', () => {
    expect(Object.keys(runPolicies).sort()).toEqual([...runKinds].sort())
  })

  it('name the same kinds as syncs as the unique index that allows one active sync per storage', () => {
    const { uniques } = SyncRunEntity.meta
    const where = uniques?.find(({ name }) => name === 'sync_run_active_unique')?.where
    const kinds = syncKinds.map((kind) => `'${kind}'`).join(', ')
    expect(where).toBe(`status in ('QUEUED', 'IN_PROGRESS') and kind in (${kinds})`)
  })

  it.each(Object.entries(runPolicies))(
    '%s only finds objects missing that its source can prove missing',
    (_kind, policy) => {
      if (policy.findsMissing === 'BY_LISTING') expect(policy.source).toBe('SETTINGS')
      if (policy.findsMissing === 'BY_KEY') expect(policy.source).toBe('CHOICE')
    },
  )

  it.each(Object.entries(runPolicies))(
    '%s splits ranges only if it lists, and moves the highest key only if it writes',
    (_kind, policy) => {
      if (policy.splitsRanges) expect(policy.source).toBe('SETTINGS')
      if (policy.movesHighestKey) expect(policy).toMatchObject({ source: 'SETTINGS', countsOnly: false })
    },
  )

  it('let only syncs change the status of a storage: neither a dry run nor a run of chosen objects does', () => {
    const syncs = Object.entries(runPolicies).flatMap(([kind, { isSync }]) => (isSync ? [kind] : []))
    expect(syncs).toEqual(['SYNC', 'RETRY'])
  })
})
