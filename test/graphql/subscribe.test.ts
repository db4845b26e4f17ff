import { buildSchema, type ExecutionResult, parse } from 'graphql'
import { describe, expect, it } from 'vitest'
import { subscribe } from '../../src/graphql/subscribe.ts'

const schema = buildSchema(`
  type Query { nothing: Int }
  type Subscription { happened(of: ID, after: Int): Event! }
  type Event { text(upper: Boolean): String!, mine: String!, broken: String }
`)

/** An event that counts how often its text is read, which is how often it is executed. */
function createEvent() {
  const event = {
    reads: 0,
    happened: {
      text({ upper }: { upper?: boolean }) {
        event.reads++
        return upper ? 'TEXT' : 'text'
      },
      mine: (_args: object, context: { viewer: { id: string } }) => context.viewer.id,
      broken() {
        throw new Error('broken')
      },
    },
  }
  return event
}

interface Subscriber {
  query?: string
  variables?: Record<string, unknown>
  viewer?: { id: string; onlyProject?: number }
}

/** What each subscriber is told of one event. */
async function tell(event: object, subscribers: Subscriber[]) {
  async function* source() {
    yield event
  }
  return Promise.all(
    subscribers.map(async ({ query = 'subscription { happened { text } }', variables = {}, viewer }) => {
      const stream = await subscribe({
        schema,
        document: parse(query),
        variableValues: variables,
        rootValue: { happened: source },
        contextValue: { viewer: { id: 'one', ...viewer }, em: { fork: () => ({}) } },
      })
      const results: (ExecutionResult & { stringify?: () => string })[] = []
      for await (const result of stream as AsyncIterable<ExecutionResult>) results.push(result)
      expect(results).toHaveLength(1)
      return results[0]!
    }),
  )
}

describe('an event', () => {
  it('is executed and serialized once for all subscribers with the same selection', async () => {
    const event = createEvent()
    const answers = await tell(
      event,
      Array.from({ length: 100 }, (_, n) => ({
        query: 'subscription ($of: ID, $after: Int) { happened(of: $of, after: $after) { text } }',
        variables: { of: String(n % 2), after: n },
        viewer: { id: String(n % 3) },
      })),
    )
    expect(event.reads).toBe(1)
    expect(new Set(answers)).toHaveLength(1)
    expect(answers[0]!.stringify!()).toBe('{"data":{"happened":{"text":"text"}}}')
    answers[0]!.data = null
    expect(answers[0]!.stringify!()).toBe('{"data":{"happened":{"text":"text"}}}')
  })

  it('is executed for each selection, and for each value that the selection depends on', async () => {
    const event = createEvent()
    const query = 'subscription ($upper: Boolean) { happened { text(upper: $upper) } }'
    const skipping = 'subscription ($upper: Boolean!) { happened { text @skip(if: $upper) __typename } }'
    const answers = await tell(event, [
      { query, variables: { upper: true } },
      { query, variables: { upper: false } },
      { query: skipping, variables: { upper: true } },
      { query: skipping, variables: { upper: false } },
    ])
    expect(answers.map(({ data }) => data?.happened)).toEqual([
      { text: 'TEXT' },
      { text: 'text' },
      { __typename: 'Event' },
      { text: 'text', __typename: 'Event' },
    ])
  })

  it('is executed for each viewer if the response depends on the viewer, and for each set of rights', async () => {
    const query = 'subscription { happened { mine } }'
    const viewers = ['one', 'two', 'one', 'three', 'two']
    const answers = await tell(
      createEvent(),
      viewers.map((id) => ({ query, viewer: { id } })),
    )
    expect(answers.map(({ data }) => data?.happened)).toEqual(viewers.map((mine) => ({ mine })))

    const event = createEvent()
    await tell(event, [{}, { viewer: { id: 'one', onlyProject: 1 } }, { viewer: { id: 'one', onlyProject: 2 } }])
    expect(event.reads).toBe(3)
  })

  it('with failing fields has errors that are masked later', async () => {
    const [answer] = await tell(createEvent(), [{ query: 'subscription { happened { broken } }' }])
    expect(answer).toMatchObject({ data: { happened: { broken: null } }, errors: [{ message: 'broken' }] })
    expect(answer!.stringify).toBeUndefined()
  })
})

describe('a stream of events', () => {
  it('has the error as its last result when it fails', async () => {
    async function* source() {
      yield createEvent()
      throw new Error('over')
    }
    const stream = await subscribe({
      schema,
      document: parse('subscription { happened { text } }'),
      rootValue: { happened: source },
      contextValue: { viewer: { id: 'one' }, em: { fork: () => ({}) } },
    })
    const results: ExecutionResult[] = []
    for await (const result of stream as AsyncIterable<ExecutionResult>) results.push(result)
    expect(results).toMatchObject([{ data: { happened: { text: 'text' } } }, { errors: [{ message: 'over' }] }])
  })
})
