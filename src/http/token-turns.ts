import { performance } from 'node:perf_hooks'

/** After this an operation has had its turn: one that takes longer mostly waits for something else. */
const turnMs = 50
/**
 * After the last turn, the operations that wait start only if no other has begun for so long: a client that sends one operation
 * after the other is not slowed down by what starts between two of its own. In `node bench/fairness.ts` the 95th percentile of
 * such a client's query is 1.5 × instead of 2.5 × that without the other.
 */
const pauseMs = 5
/** The longest time that an operation waits for its turn. */
const patienceMs = 250
/** For so long after its last operation, a token counts as active. */
const activeMs = 1_000

/** Decides when the operations of each token start. */
export interface TokenTurns {
  /** How many operations of the token wait or run. */
  underWay(token: string): number
  /** Resolves when an operation of the token may start, with the function to call at its end. */
  enter(token: string): Promise<() => void>
}

/**
 * Keeps a token with many operations at once from slowing down the others. The first operation of a token starts at once. While
 * other tokens are active, each further one waits until no operation had its turn for 5 ms, but not longer than 250 ms; tokens
 * take turns.
 */
export function createTokenTurns(now: () => number = () => performance.now()): TokenTurns {
  const counts = new Map<string, number>()
  /** What starts the operations that wait, by token; the token at the front is next. */
  const waiting = new Map<string, Set<() => void>>()
  let inTurn = 0
  let pause: NodeJS.Timeout | undefined
  let [latest, before] = [
    { token: '', at: -Infinity },
    { token: '', at: -Infinity },
  ]

  const isContended = (token: string) => {
    const other = latest.token === token ? before : latest
    return now() - other.at < activeMs
  }
  const see = (token: string) => {
    if (latest.token !== token) before = latest
    latest = { token, at: now() }
  }
  const startNext = () => {
    pause = undefined
    const [token, starts] = waiting.entries().next().value ?? []
    if (token === undefined) return
    // The others of this token wait until the other tokens had their turn.
    waiting.delete(token)
    waiting.set(token, starts!)
    starts!.values().next().value!()
  }
  /** Begins a turn; the returned function ends it, once. */
  const begin = () => {
    inTurn++
    clearTimeout(pause)
    pause = undefined
    let hasEnded = false
    const end = () => {
      if (hasEnded) return
      hasEnded = true
      clearTimeout(timer)
      if (--inTurn === 0) pause = setTimeout(startNext, pauseMs)
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
      const timer = setTimeout(start, patienceMs)
      starts.add(start)
    })

  const underWay = (token: string) => counts.get(token) ?? 0

  return {
    underWay,
    async enter(token) {
      const isFirst = !counts.has(token)
      counts.set(token, underWay(token) + 1)
      const mustWait = !isFirst && (inTurn > 0 || pause !== undefined) && isContended(token)
      see(token)
      const end = mustWait ? await waitForTurn(token) : begin()
      return () => {
        const left = underWay(token) - 1
        if (left > 0) counts.set(token, left)
        else counts.delete(token)
        end()
      }
    },
  }
}
