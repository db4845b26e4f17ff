import { z } from 'zod'
import { SluiceError } from '../errors.ts'
import { type ProviderName, providerNames, providers } from '../providers/registry.ts'
import { mapRecord } from '../records.ts'
import type { LocationInput } from '../storages/place.ts'
import { builder } from './builder.ts'
import type { FormField } from './form-field.ts'

/** Enum of the kinds of storage. */
export const StorageProviderRef = builder.enumType('StorageProvider', {
  description: 'Kind of a storage.',
  values: mapRecord(providers, ({ title }) => ({ description: title })),
})

/** A field of a location, with the meaning of each of its options. */
interface LocationField extends FormField {
  type: keyof typeof scalars
  choices: Record<string, string>
}

/** The fields of a provider's form: location first, then secrets. */
export function formFields(name: ProviderName): LocationField[] {
  const { location, secrets } = providers[name]
  return [...fieldsOf(location, false), ...fieldsOf(secrets, true)]
}

function fieldsOf(schema: z.ZodObject, secret: boolean): LocationField[] {
  const json = z.toJSONSchema(schema, { io: 'input' })
  return Object.entries(json.properties ?? {}).map(([name, property]) => {
    const field = property as z.core.JSONSchema.JSONSchema & { placeholder?: string; choices?: Record<string, string> }
    return {
      name,
      title: field.title ?? name,
      description: field.description ?? '',
      placeholder: field.placeholder ?? null,
      type: (field.type ?? 'string') as LocationField['type'],
      options: (field.enum as string[] | undefined) ?? null,
      choices: field.choices ?? {},
      required: json.required?.includes(name) ?? false,
      secret,
      minimum: bound(field.minimum),
      maximum: bound(field.maximum),
      fields: null,
      defaultValue: field.default === undefined ? null : String(field.default),
    }
  })
}

const scalars = { string: 'String', boolean: 'Boolean', integer: 'Int' } as const

/** The location types and inputs of all providers, generated from their forms. */
const made = providerNames.map((name) => {
  const kind = providers[name]
  const fields = formFields(name).map((field) => ({ ...field, graphqlType: typeOf(kind.typeName, field) }))
  const object = builder.objectRef<Record<string, unknown>>(kind.typeName).implement({
    description: `Location of a storage (${kind.title}), without secrets.`,
    fields: (t) =>
      Object.fromEntries(
        fields
          .filter((field) => !field.secret)
          .map((field) => [
            field.name,
            t.field({
              type: field.graphqlType as 'String',
              nullable: !field.required && field.defaultValue === null,
              description: field.description,
              resolve: (location) => location[field.name] as string,
            }),
          ]),
      ),
  })
  const input = builder.inputType(`${kind.typeName}Input`, {
    description: fields.some(({ secret }) => secret)
      ? `Location of a storage (${kind.title}), with its secrets. On update, an absent secret keeps its value, and null deletes it.`
      : `Location of a storage (${kind.title}).`,
    fields: (t) =>
      Object.fromEntries(
        fields.map((field) => [
          field.name,
          t.field({
            type: field.graphqlType as 'String',
            required: field.required,
            description: field.description + (field.defaultValue ? ` Default: ${field.defaultValue}.` : ''),
          }),
        ]),
      ),
  })
  return { name, kind, object, input }
})

/** A limit that the schema sets. Null for the limit of safe integers, which Zod adds to every integer. */
function bound(limit: number | undefined): number | null {
  return limit === undefined || Math.abs(limit) === Number.MAX_SAFE_INTEGER ? null : limit
}

function typeOf(typeName: string, { name, type, options, choices }: LocationField) {
  if (!options) return scalars[type]
  const enumName = typeName.replace(/Location$/, '') + name[0]!.toUpperCase() + name.slice(1)
  const values = Object.fromEntries(options.map((option) => [option, { description: choices[option] }]))
  return builder.enumType(enumName, { description: `Allowed values of \`${name}\`.`, values })
}

/** Location of the objects of a storage. Each provider has its own type. */
export const StorageLocationRef = builder.unionType('StorageLocation', {
  description: 'Location of the objects of a storage. Each provider has its own type. None of them contains a secret.',
  types: made.map(({ object }) => object),
  resolveType: (location) => String(location.__typename),
})

/** Converts a stored location to a member of the union. Fields that were introduced later have their defaults. */
export function locationObject(provider: ProviderName, location: Record<string, unknown>) {
  const kind = providers[provider]
  return { ...kind.location.safeParse(location).data, ...location, __typename: kind.typeName }
}

/** Input for a location: the fields of exactly one provider. */
export const StorageLocationInputRef = builder.inputType('StorageLocationInput', {
  description: 'Location of the objects of a storage. Set the field of exactly one provider.',
  isOneOf: true,
  fields: (t) =>
    Object.fromEntries(
      made.map(({ kind, input }) => [
        kind.inputName,
        t.field({ type: input, description: `Location of a storage (${kind.title}).` }),
      ]),
    ),
})

/** The provider that the input names, with its fields. */
export function locationInput(input: Record<string, unknown>): LocationInput {
  const found = made.find(({ kind }) => input[kind.inputName])
  if (!found) throw new SluiceError('VALIDATION', 'Name exactly one provider.')
  return { provider: found.name, fields: { ...(input[found.kind.inputName] as object) } }
}
