import type { ListObjectsV2Command } from '@aws-sdk/client-s3'
import { fieldsOf } from '../../unknown.ts'
import { timeOf } from '../time-of.ts'

/** Records the `Date` header of the responses to a command. The returned function gives the last one. */
export function timeOfAnswers(command: ListObjectsV2Command): () => Date | undefined {
  let time: Date | undefined
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args)
      const { date } = fieldsOf<'date'>(fieldsOf<'headers'>(result.response).headers)
      time = typeof date === 'string' ? timeOf(date) : undefined
      return result
    },
    // Runs before the SDK parses the response, which throws on a refusal.
    { step: 'deserialize', priority: 'low' },
  )
  return () => time
}
