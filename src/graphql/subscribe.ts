import {
  createSourceEventStream,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  GraphQLError,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql'
import { rightsOf } from '../access/access.ts'
import { type Context, createSharedContext } from './context.ts'

/** The answer to one event, and its JSON, made once for all who are sent it. */
interface Answer extends ExecutionResult {
  stringify?: () => string
}

interface Made {
  answer: Answer
  /** Who alone may be sent it; undefined: all with the same rights. */
  onlyFor: string | undefined
}

/** What was made of an event, by selection; gone with the event. */
const madeOf = new WeakMap<object, Map<string, Promise<Made>>>()

/**
 * Runs a subscription as graphql-js does, but executes an event, and writes its JSON, only once for all subscribers of this
 * process who select the same with the same values and rights. A fault in the stream of events is its last result.
 */
export async function subscribe(
  args: ExecutionArgs,
): Promise<ExecutionResult | AsyncIterableIterator<ExecutionResult>> {
  const context = args.contextValue as Context
  const selection = `${selectionOf(args)} ${rightsOf(context.viewer)}`
  const answer = answerer(args, selection)
  const shared = {
    name: `${selection} ${context.viewer.id}`,
    jsonOf: async (value: object) => (await answer(value)).stringify?.(),
  }
  const source = await createSourceEventStream({ ...args, contextValue: { ...context, shared } satisfies Context })
  if (!(Symbol.asyncIterator in source)) return source
  return answering(source as AsyncGenerator<object, void>, answer)
}

/** Written out, since a generator on top of another would take several more turns for each event of each subscriber. */
function answering(
  events: AsyncGenerator<object, void>,
  answer: (event: object) => Promise<ExecutionResult>,
): AsyncIterableIterator<ExecutionResult> {
  const end = { done: true as const, value: undefined }
  return {
    async next() {
      try {
        const { done, value } = await events.next()
        return done ? end : { done: false, value: await answer(value) }
      } catch (error) {
        await events.return()
        const originalError = error instanceof Error ? error : new Error(String(error))
        return { done: false, value: { errors: [new GraphQLError(originalError.message, { originalError })] } }
      }
    },
    async return() {
      await events.return()
      return end
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

function answerer(args: ExecutionArgs, selection: string): (event: object) => Promise<Answer> {
  const { viewer } = args.contextValue as Context
  return async (event) => {
    const { answer, onlyFor } = await once(event, selection, () => make(args, event))
    if (onlyFor === undefined || onlyFor === viewer.id) return answer
    return (await once(event, `${selection} ${viewer.id}`, () => make(args, event))).answer
  }
}

function once(event: object, selection: string, work: () => Promise<Made>): Promise<Made> {
  let made = madeOf.get(event)
  if (!made) {
    made = new Map()
    madeOf.set(event, made)
  }
  let one = made.get(selection)
  if (!one) {
    one = work()
    made.set(selection, one)
  }
  return one
}

async function make(args: ExecutionArgs, event: object): Promise<Made> {
  const subscriber = args.contextValue as Context
  const { context, isPersonal } = createSharedContext(subscriber)
  const answer: Answer = await execute({ ...args, rootValue: event, contextValue: context })
  if (!answer.errors) {
    let text: string | undefined
    answer.stringify = () => {
      text ??= JSON.stringify(answer)
      return text
    }
  }
  return { answer, onlyFor: isPersonal() ? subscriber.viewer.id : undefined }
}

/**
 * What decides how an event is shown, but for the viewer: the document, and the variables below its root field, whose own
 * arguments only say which events are wanted.
 */
function selectionOf({ schema, document, operationName, variableValues }: ExecutionArgs): string {
  const used: Record<string, unknown> = {}
  const types = new TypeInfo(schema)
  visit(
    document,
    visitWithTypeInfo(types, {
      VariableDefinition: () => false,
      Argument: () =>
        types.getParentType() === schema.getSubscriptionType() && !types.getDirective() ? false : undefined,
      Variable: ({ name }) => {
        used[name.value] = variableValues?.[name.value]
      },
    }),
  )
  return JSON.stringify([document.loc?.source.body, operationName, used])
}
