import { parseArgs } from 'node:util'
import type { ProviderKind } from '../src/providers/provider.ts'
import { type ProviderName, providerNames, providers } from '../src/providers/registry.ts'

/** What is to be graded, and how. */
export interface Order {
  /** The registry's name of the kind, such as `S3`. */
  name: ProviderName
  kind: ProviderKind
  location: Record<string, unknown>
  secrets: Record<string, unknown>
  readOnly: boolean
  /** Only checks whose subject or name contains one of these; none: all. */
  only: string[]
  /** File to write the verdicts to, as JSON. */
  json?: string
}

/** Words about what is wrong with the command line. */
export class UsageError extends Error {}

// A folder is no server, and needs more than an address to be reached.
const names = providerNames.filter((name) => name !== 'LOCAL_FILES')

const dashed = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
const optionOf = (field: string) => dashed(field)
const variableOf = (field: string) => `CONFORM_${dashed(field).toUpperCase().replaceAll('-', '_')}`
const commandOf = (name: string) => name.toLowerCase().replaceAll('_', '-')

type Field = { meta(): { description?: string } | undefined }

/** How to call the command. */
export function usage(): string {
  const lines = [
    'npm run conform -- [kind] [options]',
    'Checks whether a storage server behaves as Sluice needs, and grades it from A to F.',
    '',
    `kind: ${names.map(commandOf).join(', ')} (default: s3)`,
  ]
  for (const name of names) {
    const kind: ProviderKind = providers[name]
    lines.push('', `${commandOf(name)}: ${kind.title}`)
    const describe = ([field, { meta }]: [string, Field], secret: boolean) =>
      `  --${optionOf(field).padEnd(24)} ${meta()?.description ?? ''}${secret ? ` Also read from the variable ${variableOf(field)}.` : ''}`
    lines.push(...fieldsOf(kind.location).map((field) => describe(field, false)))
    lines.push(...fieldsOf(kind.secrets).map((field) => describe(field, true)))
  }
  lines.push(
    '',
    '  --read-only                Write nothing: run only the checks that read objects under the prefix.',
    '  --only TEXT                Run only checks whose subject or name contains the text. Can be repeated.',
    '  --json FILE                Also write the result of each check to this file, as JSON.',
  )
  return lines.join('\n')
}

const fieldsOf = (schema: ProviderKind['location']) =>
  Object.entries(schema.shape).map(([field, type]): [string, Field] => [field, { meta: () => (type as Field).meta() }])

/**
 * Reads a command line; secrets that it leaves out come from variables, such as `CONFORM_SECRET_ACCESS_KEY`. Undefined when
 * help is asked for. Throws a UsageError, which holds no secret.
 */
export function readArguments(argv: string[], variables: Record<string, string | undefined>): Order | undefined {
  const command = argv[0]?.startsWith('-') === false ? argv[0] : 's3'
  const name = names.find((each) => commandOf(each) === command)
  if (argv.includes('--help')) return undefined
  if (!name) throw new UsageError(`Unknown kind "${command}". Use one of: ${names.map(commandOf).join(', ')}.`)
  const kind: ProviderKind = providers[name]
  const rest = argv[0] === command ? argv.slice(1) : argv
  const values = parse(rest, kind)
  const location = pick(kind.location.shape, (field) => values[optionOf(field)])
  const secrets = pick(
    kind.secrets.shape,
    (field) => values[optionOf(field)] ?? (variables[variableOf(field)] || undefined),
  )
  const [place, keys] = [kind.location.safeParse(location), kind.secrets.safeParse(secrets)]
  const issues = [place, keys].flatMap((result) => result.error?.issues ?? [])
  const faults = issues.map(({ path, message }) => ({ path: String(path[0]), message }))
  if (place.success && keys.success) faults.push(...(kind.crossCheck?.(place.data, keys.data) ?? []))
  if (faults.length > 0) throw new UsageError(faults.map((f) => `--${optionOf(f.path)}: ${f.message}`).join('\n'))
  return {
    name,
    kind,
    location: place.data!,
    secrets: keys.data!,
    readOnly: values['read-only'] === true,
    only: (values.only ?? []) as string[],
    ...(values.json !== undefined && { json: values.json as string }),
  }
}

function parse(argv: string[], kind: ProviderKind): Record<string, string | boolean | string[] | undefined> {
  const shape: Record<string, unknown> = { ...kind.location.shape, ...kind.secrets.shape }
  const options = Object.fromEntries(
    Object.entries(shape).map(([field, type]) => [optionOf(field), { type: isBoolean(type) ? 'boolean' : 'string' }]),
  ) as Record<string, { type: 'string' | 'boolean' }>
  try {
    const { values } = parseArgs({
      args: argv,
      options: {
        ...options,
        'read-only': { type: 'boolean' },
        only: { type: 'string', multiple: true },
        json: { type: 'string' },
      },
      strict: true,
    })
    return values as Record<string, string | boolean | string[] | undefined>
  } catch (error) {
    // Its words may quote an argument, which may be a secret without its option.
    const { code } = error as { code?: string }
    const option = /'(--[\w-]+)/.exec((error as Error).message)?.[1]
    throw new UsageError(
      code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL' || !option
        ? 'An argument has no option. See --help.'
        : `${option} is unknown or has no value. See --help.`,
    )
  }
}

function pick(shape: Record<string, unknown>, given: (field: string) => unknown): Record<string, unknown> {
  const found = Object.entries(shape).flatMap(([field, type]) => {
    const value = given(field)
    if (value === undefined) return []
    return [[field, innermost(type) === 'number' ? Number(value) : value] as const]
  })
  return Object.fromEntries(found)
}

const isBoolean = (type: unknown) => innermost(type) === 'boolean'

/** The type of a field behind its default and its optionality. */
function innermost(type: unknown): string {
  const { def } = type as { def: { type: string; innerType?: unknown } }
  return def.innerType ? innermost(def.innerType) : def.type
}
