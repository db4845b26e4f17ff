import type { Storage } from '../entities/storage.ts'
import { commonSettings } from '../storage-settings/common.ts'
import { exportSettings } from '../storage-settings/export.ts'
import { importSettings } from '../storage-settings/import.ts'
import type { Group, Part, Setting, Settings } from '../storage-settings/kinds.ts'
import { settingOf } from '../storages/read-settings.ts'
import { builder } from './builder.ts'

// Fields that are generated from a list have no static types. The resolvers receive `unknown`, and the settings validate it.
type Typeless = 'String'
type InputFields = Parameters<Parameters<typeof builder.inputType>[1]['fields']>[0]
const typeless = (ref: unknown) => ref as Typeless

const enums = new Map<string, { ref: unknown }>()
const groups = new Map<string, { object: unknown; input: unknown }>()

/** Input fields for these settings. An absent field keeps its value, or has its default when a storage is created. */
export function settingInputs(t: InputFields, settings: Settings, use: 'CREATE' | 'UPDATE' | 'CHECK'): object {
  const fields = Object.entries(settings)
    .filter(([, { fixed }]) => use !== 'UPDATE' || !fixed)
    .map(([name, setting]) => [name, inputField(t, setting, describeInput(setting, use))])
  return Object.fromEntries(fields)
}

function describeInput(setting: Setting, use: 'CREATE' | 'UPDATE' | 'CHECK'): string {
  const range = setting.kind === 'integer' ? ` From ${count(setting.minimum)} to ${count(setting.maximum)}.` : ''
  const fixed = setting.fixed ? ' It cannot be changed later.' : ''
  const absent = use === 'UPDATE' || setting.default === null ? '' : ` Default: ${setting.default}.`
  return describe(setting.description + range + fixed + absent, setting)
}

const count = (number: number) => number.toLocaleString('en')

const describe = (text: string, { null: nullMeans }: { null?: string }) =>
  nullMeans ? `${text} Null: ${nullMeans}.` : text

function inputField(t: InputFields, setting: Setting | Part, description: string) {
  const required = 'required' in setting && setting.required === true
  return t.field({ type: typeless(inputType(setting)), required, description })
}

function inputType(setting: Setting | Part): unknown {
  return setting.kind === 'group' ? groupOf(setting).input : scalarType(setting)
}

function scalarType(setting: Exclude<Setting | Part, Group>): unknown {
  if (setting.kind === 'choice') return enumOf(setting)
  if (setting.kind === 'integer') return (setting.maximum ?? Number.POSITIVE_INFINITY) < 2 ** 31 ? 'Int' : 'SafeInt'
  return { text: 'String', flag: 'Boolean', number: 'Float', list: ['String'] }[setting.kind]
}

function enumOf({ typeName, typeDescription, choices }: Extract<Setting, { kind: 'choice' }>): unknown {
  const known = enums.get(typeName)
  if (known) return known.ref
  const values = Object.fromEntries(Object.entries(choices).map(([name, description]) => [name, { description }]))
  const ref = builder.enumType(typeName, { description: typeDescription, values })
  enums.set(typeName, { ref })
  return ref
}

function groupOf({ typeName, typeDescription: description, parts, isOneOf = false }: Group) {
  const known = groups.get(typeName)
  if (known) return known
  const object = builder.objectRef<Record<string, unknown>>(typeName).implement({
    description,
    fields: (t) =>
      Object.fromEntries(
        Object.entries(parts).map(([name, part]) => [
          name,
          t.field({
            type: typeless(outputType(part)),
            nullable: !part.required,
            description: describe(part.description, part),
            resolve: (group) => group[name] as string,
          }),
        ]),
      ),
  })
  const input = builder.inputType(`${typeName}Input`, {
    description,
    isOneOf,
    fields: (t) =>
      Object.fromEntries(
        Object.entries(parts).map(([name, part]) => [name, inputField(t, part, describe(part.description, part))]),
      ),
  })
  const made = { object, input }
  groups.set(typeName, made)
  return made
}

function outputType(setting: Setting | Part): unknown {
  return setting.kind === 'group' ? groupOf(setting).object : scalarType(setting)
}

/** Fields that return these settings of a storage. */
function settingFields(settings: Settings) {
  return Object.entries(settings).map(([name, setting]) => ({
    name,
    options: {
      type: typeless(outputType(setting)),
      nullable: setting.null !== undefined,
      description: describe(setting.description, setting),
      resolve: (storage: Storage) => settingOf(name, setting, storage) as string,
    },
  }))
}

const isOwn = ([name]: [string, Setting]) => !(name in commonSettings)

/** Output fields: those of the interface, and the additional ones of each direction. */
export const settingOutputs = {
  common: settingFields(commonSettings),
  IMPORT: settingFields(Object.fromEntries(Object.entries(importSettings).filter(isOwn))),
  EXPORT: settingFields(Object.fromEntries(Object.entries(exportSettings).filter(isOwn))),
}
