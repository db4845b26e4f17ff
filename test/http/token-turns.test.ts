import { expect, it, vi } from 'vitest'
import { createTokenTurns } from '../../src/http/token-turns.ts'

/** Operations that end when they are told to, and the order in which they started. */
function operations() {
  const turns = createTokenTurns()
  const started: string[] = []
  const ends = new Map<string, () => void>()
  const ask = (token: string, name: string) =>
    turns.enter(token).then((end) => {
      started.push(name)
      ends.set(name, end)
    })
  return { ask, started, end: (name: string) => ends.get(name)!() }
}

/** Lets all promises go on that can. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

it('all operations of a token start at once while no other token is active', async () => {
  const { ask, started } = operations()
  for (const name of ['1', '2', '3', '4']) ask('greedy', name)
  await settle()
  expect(started).toEqual(['1', '2', '3', '4'])
})

it('the first operation of a token starts at once, and the further ones of others after it', async () => {
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
  await settle()
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
    await settle()
  }
  expect(started).toEqual(['a1', 'b1', 'a2', 'b2', 'a3', 'b3'])
})

it('an operation waits neither for ones that take long nor for more than its patience', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const { ask, started } = operations()
    ask('polite', 'long')
    ask('greedy', 'g1')
    ask('greedy', 'g2')
    await settle()
    expect(started).toEqual(['long', 'g1'])
    vi.advanceTimersByTime(50)
    await settle()
    expect(started).toEqual(['long', 'g1', 'g2'])
    for (let round = 0; round < 6; round++) {
      ask(`polite ${round}`, `p${round}`)
      if (round === 0) ask('greedy', 'g3')
      vi.advanceTimersByTime(49)
      await settle()
    }
    expect(started).toContain('g3')
  } finally {
    vi.useRealTimers()
  }
})
