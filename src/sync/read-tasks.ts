import { SluiceError } from '../errors.ts'
import { networkError } from '../providers/network-error.ts'
import type { ObjectInfo, Provider } from '../providers/provider.ts'
import type { Batch } from './batch.ts'
import { parseTask } from './parse-task.ts'
import { splitJson } from './split-json.ts'

const maxTaskBytes = 64 * 2 ** 20
// Far below where the stacks of JavaScript and PostgreSQL end.
const maxDepth = 1_000

/**
 * Reads one task file into the batch: every row becomes a task or an issue, and a fault of the file itself an issue of the
 * whole object. Rejects only when the run cannot go on: `signal` aborted, or the batch could not be written.
 */
export async function readTasks(
  provider: Provider,
  object: ObjectInfo,
  batch: Batch,
  signal: AbortSignal,
): Promise<void> {
  const { key } = object
  let rows = 0
  let faulty = false
  const issue = (error: unknown, row: number) => {
    faulty = true
    const { code, message, retryable } = asIssue(error)
    return batch.addIssue({ key, row, code, message, retryable })
  }
  const elements = splitJson(bytesOf(provider, key, batch, signal), maxTaskBytes)
  try {
    for (;;) {
      const next = await elements.next().catch((error: unknown) => ({ error }))
      signal.throwIfAborted()
      if ('error' in next) return await issue(next.error, -1)
      if (next.done) break
      const { row, bytes, depth } = next.value
      rows = row === -1 ? -1 : rows + 1
      const parsed = attempt(() => {
        if (depth > maxDepth)
          throw new SluiceError('NOT_A_TASK', `A task may be nested ${maxDepth} levels deep at most.`)
        return parseTask(bytes)
      })
      await ('error' in parsed ? issue(parsed.error, row) : batch.add(object, row, parsed.value))
    }
  } finally {
    // Leaving early must free the socket.
    await elements.return(undefined)
  }
  if (rows >= 0 && !faulty) batch.finish(key, rows)
}

async function* bytesOf(provider: Provider, key: string, batch: Batch, signal: AbortSignal): AsyncGenerator<Buffer> {
  const { body, length } = await provider.read(key, { signal })
  let seen = 0
  try {
    for await (const chunk of body) {
      seen += chunk.length
      yield chunk
    }
    if (seen < length) throw new SluiceError('BODY_CUT')
  } finally {
    body.destroy()
    batch.countRead(seen)
  }
}

function attempt<T>(work: () => T): { value: T } | { error: unknown } {
  try {
    return { value: work() }
  } catch (error) {
    return { error }
  }
}

/** A stream's own faults reach us unwrapped: the body was cut off. Anything else unknown is a fault of ours, and says so. */
function asIssue(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error
  if (networkError(error) || (error as { code?: string }).code !== undefined) {
    return new SluiceError('BODY_CUT', undefined, { cause: error })
  }
  throw error
}
