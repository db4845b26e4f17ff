import type { ListObjectsV2Command } from '@aws-sdk/client-s3'
import { timeOf } from '../time-of.ts'

/** Records the `Date` header of the responses to a command. The returned function gives the last one. */
export function timeOfAnswers(command: ListObjectsV2Command): () => Date | undefined {
  let time: Date | undefined
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args)
      const { headers } = result.response as { headers?: Record<string, string> }
      time = timeOf(headers?.date)
      return result
    },
    // Runs before the SDK parses the response, which throws on a refusal.
    { step: 'deserialize', priority: 'low' },
  )
  return () => time
}
