import { performance } from 'node:perf_hooks'

/** A turn ends after this time at the latest, because an operation that takes longer mostly waits for something else. */
const turnMs = 50
/**
 * Waiting operations start only if no turn has begun for this time after the last one. So they do not start between two
 * operations of a client that sends one after the other. In `node bench/fairness.ts`, the 95th percentile of such a client's
 * query is 1.5 × (instead of 2.5 ×) its value without a second client.
 */
const pauseMs = 5
/** Maximum time that an operation waits for its turn. */
const maxWaitMs = 250
/** A token counts as active for this time after its last operation began. */
const activeMs = 1_000

/** Decides when the operations of each token start. */
interface TokenTurns {
  /** Number of operations of the token that wait or run. */
  count(token: string): number
  /** Waits until an operation of the token may start. The caller must call the returned function when the operation ends. */
  acquire(token: string): Promise<() => void>
}

/**
 * Prevents a token with many concurrent operations from slowing down other tokens. The first operation of a token starts at
 * once. While other tokens are active, each further operation waits until no turn has been in progress for 5 ms, but at most
 * 250 ms. Tokens take turns.
 */
export function createTokenTurns(now: () => number = () => performance.now()): TokenTurns {
  const counts = new Map<string, number>()
  /** Functions that start the waiting operations, by token. The first token is next. */
  const waiting = new Map<string, Set<() => void>>()
  let activeTurns = 0
  let pause: NodeJS.Timeout | undefined
  let [latest, previous] = [
    { token: '', at: -Infinity },
    { token: '', at: -Infinity },
  ]

  const isContended = (token: string) => {
    const other = latest.token === token ? previous : latest
    return now() - other.at < activeMs
  }
  const markActive = (token: string) => {
    if (latest.token !== token) previous = latest
    latest = { token, at: now() }
  }
  const startNext = () => {
    pause = undefined
    const [token, starts] = waiting.entries().next().value ?? []
    if (token === undefined) return
    // The token moves to the end, so that the other tokens come first.
    waiting.delete(token)
    waiting.set(token, starts!)
    starts!.values().next().value!()
  }
  /** Begins a turn. The returned function ends it; further calls do nothing. */
  const begin = () => {
    activeTurns++
    clearTimeout(pause)
    pause = undefined
    let hasEnded = false
    const end = () => {
      if (hasEnded) return
      hasEnded = true
      clearTimeout(timer)
      if (--activeTurns === 0) pause = setTimeout(startNext, pauseMs)
    }
    const timer = setTimeout(end, turnMs)
    return end
  }
  const waitForTurn = (token: string) =>
    new Promise<() => void>((resolve) => {
      const starts = waiting.get(token) ?? new Set()
      waiting.set(token, starts)
      const start = () => {
        clearTimeout(timer)
        starts.delete(start)
        if (starts.size === 0) waiting.delete(token)
        resolve(begin())
      }
      const timer = setTimeout(start, maxWaitMs)
      starts.add(start)
    })

  const countOf = (token: string) => counts.get(token) ?? 0

  return {
    count: countOf,
    async acquire(token) {
      const isFirst = !counts.has(token)
      counts.set(token, countOf(token) + 1)
      const mustWait = !isFirst && (activeTurns > 0 || pause !== undefined) && isContended(token)
      markActive(token)
      const end = mustWait ? await waitForTurn(token) : begin()
      return () => {
        const left = countOf(token) - 1
        if (left > 0) counts.set(token, left)
        else counts.delete(token)
        end()
      }
    },
  }
}
