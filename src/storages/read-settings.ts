import type { Storage } from '../entities/storage.ts'
import type { FieldError } from '../errors.ts'
import type { Setting, Settings, ValuesOf } from '../storage-settings/kinds.ts'

/** Settings from a client. An absent setting keeps its value. So does null, unless the setting is nullable. */
export type SettingsInput = Record<string, unknown>

/** The values to save, and the columns that store them. */
interface ReadSettings<S extends Settings> {
  values: ValuesOf<S>
  columns: Partial<Storage>
}

/**
 * Validates the given settings. Missing ones get the stored values or, for a new storage, the defaults. Errors are added to
 * `faults`; the path of each begins with the name of the setting. The value of an invalid setting may not match its type.
 */
export function readSettings<const S extends Settings>(
  settings: S,
  { given, stored }: { given: SettingsInput; stored: Storage | null },
  faults: FieldError[],
): ReadSettings<S> {
  const read = Object.entries(settings).map(([name, setting]) => {
    const value = valueFor(name, setting, { given: given[name], stored, faults })
    return { name, value, columns: toRow(name, setting, value) }
  })
  return {
    values: Object.fromEntries(read.map(({ name, value }) => [name, value])) as ValuesOf<S>,
    columns: Object.assign({}, ...read.map(({ columns }) => columns)),
  }
}

function valueFor(
  name: string,
  setting: Setting,
  { given, stored, faults }: { given: unknown; stored: Storage | null; faults: FieldError[] },
): unknown {
  const before = stored ? settingOf(name, setting, stored) : setting.default
  if (given === undefined || (given === null && setting.null === undefined)) return before
  if (given === '' && setting.kind === 'text' && setting.emptyIsNull) return null
  const { success, data, error } = setting.schema.safeParse(given)
  if (!success) {
    faults.push(...error.issues.map(({ path, message }) => ({ path: [name, ...path].join('.'), message })))
    return before
  }
  if (setting.fixed && stored && data !== before) faults.push({ path: name, message: setting.fixed })
  return data
}

/** The value of a setting of a storage. */
export function settingOf(name: string, setting: Setting, storage: Storage): unknown {
  if ('ofRow' in setting && setting.ofRow) return setting.ofRow(storage as never)
  return storage[name as keyof Storage] ?? null
}

function toRow(name: string, setting: Setting, value: unknown): object {
  return 'toRow' in setting && setting.toRow ? setting.toRow(value as never) : { [name]: value }
}
