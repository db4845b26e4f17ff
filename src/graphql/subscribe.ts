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

/** The response for one event. `stringify` serializes it once for all subscribers. */
interface Answer extends ExecutionResult {
  stringify?: () => string
}

interface CachedAnswer {
  answer: Answer
  /** Id of the only viewer who may receive it. Undefined: all viewers with the same rights. */
  onlyFor: string | undefined
}

/** The context that the server made for the operation. */
const contextOf = (args: ExecutionArgs) => args.contextValue as Context

/** Cache of the responses for an event, by selection. It is released with the event. */
const answersOf = new WeakMap<object, Map<string, Promise<CachedAnswer>>>()

/**
 * Runs a subscription like graphql-js, but executes and serializes an event only once for all subscribers of this process with
 * the same selection, variables and rights. If the stream of events fails, the error is its last result.
 */
export async function subscribe(
  args: ExecutionArgs,
): Promise<ExecutionResult | AsyncIterableIterator<ExecutionResult>> {
  const context = contextOf(args)
  const selection = `${selectionOf(args)} ${rightsOf(context.viewer)}`
  const answer = answerer(args, selection)
  const shared = {
    name: `${selection} ${context.viewer.id}`,
    jsonOf: async (value: object) => (await answer(value)).stringify?.(),
  }
  const source = await createSourceEventStream({ ...args, contextValue: { ...context, shared } satisfies Context })
  if (!(Symbol.asyncIterator in source)) return source
  return answersTo(source as AsyncGenerator<object, void>, answer)
}

/** Not a generator, because it would add several microtasks for each event of each subscriber. */
function answersTo(
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
  const { viewer } = contextOf(args)
  return async (event) => {
    const { answer, onlyFor } = await cachedAnswer(event, selection, () => executeFor(args, event))
    if (onlyFor === undefined || onlyFor === viewer.id) return answer
    return (await cachedAnswer(event, `${selection} ${viewer.id}`, () => executeFor(args, event))).answer
  }
}

function cachedAnswer(event: object, selection: string, work: () => Promise<CachedAnswer>): Promise<CachedAnswer> {
  let answers = answersOf.get(event)
  if (!answers) {
    answers = new Map()
    answersOf.set(event, answers)
  }
  let one = answers.get(selection)
  if (!one) {
    one = work()
    answers.set(selection, one)
  }
  return one
}

async function executeFor(args: ExecutionArgs, event: object): Promise<CachedAnswer> {
  const subscriber = contextOf(args)
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
 * Cache key of a rendered event, without the viewer. It contains the document and the variables below the root field. The
 * arguments of the root field only select events, so they are not part of it.
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
