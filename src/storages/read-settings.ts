import type { Storage } from '../entities/storage.ts'
import type { FieldError } from '../errors.ts'
import type { Setting, Settings, ValuesOf } from '../storage-settings/kinds.ts'

/** Settings as a client gives them: an absent one keeps its value, and so does null unless the setting may be null. */
export type SettingsInput = Record<string, unknown>

/** The values of settings as they would be saved, and the columns that store them. */
export interface ReadSettings<S extends Settings> {
  values: ValuesOf<S>
  columns: Partial<Storage>
}

/**
 * Checks the given settings and completes them with the stored values or, for a new storage, with the defaults. Adds faults to
 * `faults`; the path of each begins with the name of the setting. Then the values of the faulty settings are not of their type.
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

/** The value that a storage has for a setting. */
export function settingOf(name: string, setting: Setting, storage: Storage): unknown {
  if ('ofRow' in setting && setting.ofRow) return setting.ofRow(storage as never)
  return storage[name as keyof Storage] ?? null
}

function toRow(name: string, setting: Setting, value: unknown): object {
  return 'toRow' in setting && setting.toRow ? setting.toRow(value as never) : { [name]: value }
}
