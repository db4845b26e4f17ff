import { writeFile } from 'node:fs/promises'
import { SluiceError } from '../src/errors.ts'
import { hintFor } from '../src/storages/hints.ts'
import { type Order, readArguments, UsageError, usage } from './arguments.ts'
import { grade, reasonOf, type Verdict } from './grade.ts'
import { layGround } from './ground.ts'
import { readDifferences } from './real-servers/differences.ts'
import { lineOf, meaningsOf, redactor, summaryOf, whoseAreThey } from './report.ts'

/** What the command needs of the process it runs in. */
interface Surroundings {
  variables: Record<string, string | undefined>
  write(line: string): void
  signal?: AbortSignal
}

/**
 * Grades a storage server by the checks that our own providers pass, and writes the table of what works. Resolves with the
 * exit code: 0 when all works, 1 when something does not, 2 when nothing could be graded.
 */
export async function conform(argv: string[], { variables, write, signal }: Surroundings): Promise<number> {
  let order: Order | undefined
  try {
    order = readArguments(argv, variables)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    write(error.message)
    return 2
  }
  if (!order) {
    write(usage())
    return 0
  }
  return gradeAll(order, write, signal ?? new AbortController().signal)
}

async function gradeAll(order: Order, write: Surroundings['write'], signal: AbortSignal): Promise<number> {
  const redact = redactor(order.secrets)
  const ground = await layGround(order)
  try {
    await ground.check()
  } catch (error) {
    ground.close()
    const hint =
      error instanceof SluiceError ? (error.hint ?? hintFor(error.code, order.name)) : hintFor('INTERNAL', order.name)
    write(`No check could run. ${reasonOf(error, redact)} ${hint ?? ''}`.trim())
    return 2
  }
  const verdicts: Verdict[] = []
  try {
    for await (const verdict of grade(order, ground, { signal, redact })) {
      verdicts.push(verdict)
      write(lineOf(verdict))
    }
  } finally {
    await ground
      .clear()
      .catch((error) => write(`The objects that the checks wrote could not be removed: ${reasonOf(error, redact)}`))
    ground.close()
  }
  const { grade: given, lines } = summaryOf(verdicts)
  if (order.json) {
    await writeFile(order.json, `${JSON.stringify({ kind: order.name, grade: given, checks: verdicts }, null, 2)}\n`)
  }
  const known = (await readDifferences()).filter(({ kind }) => kind === order.name)
  const parts = [meaningsOf(verdicts), whoseAreThey(verdicts, known)].filter((part) => part.length > 0)
  for (const line of [...parts.flatMap((part) => ['', ...part]), '', ...lines]) write(line)
  if (signal.aborted) write('Interrupted: not all checks ran.')
  return given === 'A' && !signal.aborted ? 0 : 1
}

if (import.meta.main) {
  const controller = new AbortController()
  // The second one ends the process at once.
  process.once('SIGINT', () => controller.abort())
  process.exitCode = await conform(process.argv.slice(2), {
    variables: process.env,
    write: (line) => console.log(line),
    signal: controller.signal,
  })
}
