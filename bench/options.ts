import { parseArgs } from 'node:util'

/** The options of a benchmark. */
interface BenchOptions<Name extends string, Other extends string> {
  values: Record<Name, string> & Partial<Record<Other, string>>
  /** True if all that have a default have it: then the result is one to write down. */
  isWhole: boolean
}

/** Reads the command line; `others` are options without a default. Asked for help, prints `usage` and ends the process. */
export function readOptions<Name extends string, Other extends string = never>(
  usage: string,
  defaults: Record<Name, string>,
  others: readonly Other[] = [],
): BenchOptions<Name, Other> {
  const option = { type: 'string' as const }
  const names = [...Object.keys(defaults), ...others]
  const { values: given } = parseArgs({
    options: { ...Object.fromEntries(names.map((name) => [name, option])), help: { type: 'boolean' } },
  })
  if (given.help) {
    console.log(usage)
    process.exit()
  }
  const values = { ...defaults, ...given } as Record<Name, string> & Partial<Record<Other, string>>
  return { values, isWhole: (Object.keys(defaults) as Name[]).every((name) => values[name] === defaults[name]) }
}
