import { writeFile } from 'node:fs/promises'
import { SluiceError } from '../src/errors.ts'
import { hintFor } from '../src/storages/hints.ts'
import { type Order, readArguments, UsageError, usage } from './arguments.ts'
import { grade, type Verdict } from './grade.ts'
import { layGround } from './ground.ts'
import { lineOf, meaningsOf, redactor, summaryOf } from './report.ts'

/** What the command needs of the process it runs in. */
export interface Surroundings {
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

async function gradeAll(order: Order, writeRaw: Surroundings['write'], signal: AbortSignal): Promise<number> {
  const redact = redactor(order.secrets)
  const write = (line: string) => writeRaw(redact(line))
  const ground = await layGround(order)
  try {
    await ground.check()
  } catch (error) {
    ground.close()
    const code = error instanceof SluiceError ? error.code : 'INTERNAL'
    write(`No check could run. ${code}: ${(error as Error).message} ${hintFor(code, order.name) ?? ''}`.trim())
    return 2
  }
  const verdicts: Verdict[] = []
  try {
    for await (const verdict of grade(order, ground, signal)) {
      // Before a long reason is cut, in the middle of a secret perhaps.
      const shown = { ...verdict, ...(verdict.reason && { reason: redact(verdict.reason) }) }
      verdicts.push(shown)
      write(lineOf(shown))
    }
  } finally {
    await ground
      .clear()
      .catch((error) => write(`The objects that the checks wrote could not be removed: ${error.message}`))
    ground.close()
  }
  const { grade: given, lines } = summaryOf(verdicts)
  if (order.json) {
    await writeFile(order.json, `${JSON.stringify({ kind: order.name, grade: given, checks: verdicts }, null, 2)}\n`)
  }
  const meanings = meaningsOf(verdicts)
  for (const line of [...(meanings.length > 0 ? ['', ...meanings] : []), '', ...lines]) write(line)
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
