import { parseTask } from '../../src/task-files/parse-task.ts'

/** Parses a task: a text as it is, anything else as its JSON. */
export const parse = (value: unknown) =>
  parseTask(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)))
