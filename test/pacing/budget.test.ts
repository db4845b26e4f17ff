import { describe, expect, it } from 'vitest'
import { Budget } from '../../src/pacing/budget.ts'
import type { Reservation } from '../../src/pacing/reserve.ts'

/** A budget whose reservations begin at once, and that records their amounts. */
function openBudget(perSecond: number, reserve?: (amount: number) => Promise<Reservation | undefined>) {
  const amounts: number[] = []
  const budget = new Budget(
    (amount) => {
      amounts.push(amount)
      return reserve ? reserve(amount) : Promise.resolve({ amount, perSecond, inMs: 0 })
    },
    { PEOPLE: 10, RUNS: 600 },
  )
  budget.perSecond = perSecond
  return { budget, amounts }
}

describe('a budget', () => {
  it('costs no reservation while there is no limit', () => {
    const { budget, amounts } = openBudget(10)
    budget.perSecond = null
    expect(budget.take(1, 'RUNS')).toBeUndefined()
    expect(amounts).toEqual([])
  })

  it('reserves for all waiting callers, at most for a tenth of a second', async () => {
    const { budget, amounts } = openBudget(50)
    await Promise.all(Array.from({ length: 11 }, () => budget.take(1, 'RUNS')))
    expect(amounts).toEqual([1, 5, 5])
  })

  it('reserves more than that for one large amount', async () => {
    const { budget, amounts } = openBudget(50)
    await budget.take(400, 'RUNS')
    expect(amounts).toEqual([400])
  })

  it('lets people and runs take turns, regardless of their numbers', async () => {
    const { budget } = openBudget(10)
    const order: string[] = []
    const take = async (lane: 'PEOPLE' | 'RUNS', name: string) => {
      await budget.take(1, lane)
      order.push(name)
    }
    await Promise.all([
      ...['r1', 'r2', 'r3', 'r4'].map((name) => take('RUNS', name)),
      ...['p1', 'p2'].map((name) => take('PEOPLE', name)),
    ])
    expect(order).toEqual(['p1', 'r1', 'p2', 'r2', 'r3', 'r4'])
  })

  it('rejects an aborted caller with the reason, and serves the others', async () => {
    const { budget } = openBudget(10)
    const leaving = new AbortController()
    const first = budget.take(1, 'RUNS')
    const aborted = budget.take(1, 'RUNS', leaving.signal)
    const last = budget.take(1, 'RUNS')
    leaving.abort(new Error('no longer wanted'))
    await expect(aborted).rejects.toThrow('no longer wanted')
    await Promise.all([first, last])
    await expect(budget.take(1, 'RUNS', leaving.signal)).rejects.toThrow('no longer wanted')
  })

  it('serves all callers once the limit is removed', async () => {
    const { budget } = openBudget(1, async () => undefined)
    await Promise.all(Array.from({ length: 100 }, () => budget.take(1, 'RUNS')))
    expect(budget.perSecond).toBeNull()
  })

  it('retries while the database does not respond, and rejects callers with INTERNAL after their maximum wait', async () => {
    let isDown = true
    const { budget } = openBudget(10, async (amount) => {
      if (isDown) throw new Error('The connection was refused.')
      return { amount, perSecond: 10, inMs: 0 }
    })
    const run = budget.take(1, 'RUNS')
    await expect(budget.take(1, 'PEOPLE')).rejects.toMatchObject({ code: 'INTERNAL' })
    isDown = false
    await run
  })
})
