import { setTimeout as sleep } from 'node:timers/promises'
import type { EntityManager } from '@mikro-orm/postgresql'
import { LRUCache } from 'lru-cache'
import type { LimitedStorage, PaceOf } from '../providers/pace.ts'
import { Budget } from './budget.ts'
import { type Limits, readLimits, reserve } from './reserve.ts'

/** A change of a limit takes effect in all processes within this time. */
const refreshMs = 2_000
const gatherMs = 20
// A storage that is evicted from the cache starts again with the limits in its row.
const maxStorages = 10_000

interface Budgets {
  id: number
  requests: Budget
  bytes: Budget
  readAt: number
}

/**
 * Enforces the limits of each storage across all processes, which reserve parts of its budget in one row of the database. A
 * request to a storage without limits needs no statement. While a storage is used, its limits are read again at most every two
 * seconds.
 */
export function createPacing(em: EntityManager): PaceOf {
  const known = new LRUCache<number, Budgets>({ max: maxStorages })
  const outdated = new Set<Budgets>()

  const budgetsOf = ({ id, maxRequestsPerSecond, maxBytesPerSecond }: LimitedStorage): Budgets => {
    const budget = (unit: keyof Limits) => new Budget((amount) => reserve(em, { storage: id, unit, amount }))
    const budgets = known.get(id) ?? { id, requests: budget('requests'), bytes: budget('bytes'), readAt: 0 }
    known.set(id, budgets)
    if (maxRequestsPerSecond !== undefined) budgets.requests.perSecond = maxRequestsPerSecond
    if (maxBytesPerSecond !== undefined) budgets.bytes.perSecond = maxBytesPerSecond
    // The row of the caller may be outdated, so the next request reads the limits again.
    budgets.readAt = Number.NEGATIVE_INFINITY
    return budgets
  }

  const refresh = async () => {
    await sleep(gatherMs, undefined, { ref: false })
    const requested = [...outdated]
    outdated.clear()
    // If the database does not respond, the known limits stay in effect.
    const limits = await readLimits(
      em,
      requested.map(({ id }) => id),
    ).catch(() => undefined)
    for (const budgets of limits ? requested : []) {
      budgets.requests.perSecond = limits!.get(budgets.id)?.requests ?? null
      budgets.bytes.perSecond = limits!.get(budgets.id)?.bytes ?? null
    }
  }

  const stayCurrent = (budgets: Budgets) => {
    const now = performance.now()
    if (now - budgets.readAt < refreshMs) return
    budgets.readAt = now
    outdated.add(budgets)
    if (outdated.size === 1) void refresh()
  }

  return (storage, lane) => {
    const budgets = budgetsOf(storage)
    const { requests, bytes } = budgets
    return {
      request(signal, size = 0) {
        stayCurrent(budgets)
        const turn = requests.take(1, lane, signal)
        if (turn && size > 0) return turn.then(() => bytes.take(size, lane, signal))
        return turn ?? bytes.take(size, lane, signal)
      },
      receive: (size, signal) => bytes.take(size, lane, signal),
      get limitsBytes() {
        return bytes.perSecond !== null
      },
    }
  }
}
