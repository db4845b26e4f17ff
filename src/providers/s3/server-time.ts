import type { ListObjectsV2Command } from '@aws-sdk/client-s3'
import { timeOf } from '../time-of.ts'

/** Notes the time that the answers to a command carry; the function gives that of the last one. */
export function timeOfAnswers(command: ListObjectsV2Command): () => Date | undefined {
  let time: Date | undefined
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args)
      const { headers } = result.response as { headers?: Record<string, string> }
      time = timeOf(headers?.date)
      return result
    },
    // Before the answer is read, which throws when it is a refusal.
    { step: 'deserialize', priority: 'low' },
  )
  return () => time
}
