import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createTokenTurns } from '../../src/http/token-turns.ts'

/** Operations that end when they are told to, and the order in which they started. */
function operations() {
  const turns = createTokenTurns()
  const started: string[] = []
  const ends = new Map<string, () => void>()
  const ask = (token: string, name: string) =>
    turns.acquire(token).then((end) => {
      started.push(name)
      ends.set(name, end)
    })
  return { ask, started, end: (name: string) => ends.get(name)!() }
}

/** Lets all promises go on that can. */
const settle = () => new Promise((resolve) => setImmediate(resolve))
/** Lets so much time pass for the turns. */
const pass = async (ms: number) => {
  vi.advanceTimersByTime(ms)
  await settle()
}
const pauseMs = 5

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

it('all operations of a token start at once while no other token is active', async () => {
  const { ask, started } = operations()
  for (const name of ['1', '2', '3', '4']) ask('greedy', name)
  await settle()
  expect(started).toEqual(['1', '2', '3', '4'])
})

it('the first operation of a token starts at once, before further ones of other tokens', async () => {
  const { ask, started, end } = operations()
  ask('polite', 'first')
  await settle()
  for (const name of ['g1', 'g2', 'g3']) ask('greedy', name)
  await settle()
  expect(started).toEqual(['first', 'g1'])
  end('g1')
  await settle()
  expect(started, 'started while the first operation of another token ran').toEqual(['first', 'g1'])
  end('first')
  await pass(pauseMs)
  expect(started).toEqual(['first', 'g1', 'g2'])
  ask('polite', 'second')
  await settle()
  expect(started).toEqual(['first', 'g1', 'g2', 'second'])
})

it('tokens with many operations take turns', async () => {
  const { ask, started, end } = operations()
  for (const n of [1, 2, 3]) for (const token of ['a', 'b']) ask(token, `${token}${n}`)
  await settle()
  expect(started).toEqual(['a1', 'b1'])
  for (const name of ['a1', 'b1', 'a2', 'b2', 'a3']) {
    end(name)
    await pass(pauseMs)
  }
  expect(started).toEqual(['a1', 'b1', 'a2', 'b2', 'a3', 'b3'])
})

it('a client that sends one operation after the other is not slowed down between two of its own', async () => {
  const { ask, started, end } = operations()
  ask('polite', 'p0')
  for (const name of ['g1', 'g2']) ask('greedy', name)
  await settle()
  end('g1')
  for (let n = 0; n < 5; n++) {
    await pass(1)
    end(`p${n}`)
    await pass(pauseMs - 1)
    ask('polite', `p${n + 1}`)
    ask('greedy', `late ${n}`)
    await settle()
  }
  expect(started).toEqual(['p0', 'g1', 'p1', 'p2', 'p3', 'p4', 'p5'])
})

it('an operation does not wait for slow operations, and never longer than the maximum wait', async () => {
  const { ask, started } = operations()
  ask('polite', 'long')
  ask('greedy', 'g1')
  ask('greedy', 'g2')
  await settle()
  expect(started).toEqual(['long', 'g1'])
  await pass(50 + pauseMs)
  expect(started).toEqual(['long', 'g1', 'g2'])
  for (let round = 0; round < 6; round++) {
    ask(`polite ${round}`, `p${round}`)
    if (round === 0) ask('greedy', 'g3')
    await pass(49)
  }
  expect(started).toContain('g3')
})
