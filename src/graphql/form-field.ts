import { mapRecord } from '../records.ts'
import type { Part, Setting } from '../storage-settings/kinds.ts'
import { builder } from './builder.ts'

const types = {
  string: 'Text. If the field has `options`, one of them.',
  boolean: 'True or false.',
  integer: 'An integer.',
  number: 'A number, which may have decimals.',
  list: 'A list of texts.',
  group: 'An object with the fields of `fields`.',
  oneOf: 'An object with exactly one of the fields of `fields`.',
}

/** A field of a form, as a client renders it. */
export interface FormField {
  name: string
  title: string
  description: string
  placeholder: string | null
  type: keyof typeof types
  options: string[] | null
  required: boolean
  secret: boolean
  defaultValue: string | null
  minimum: number | null
  maximum: number | null
  /** The fields of a group. */
  fields: FormField[] | null
}

const FieldTypeRef = builder.enumType('FormFieldType', {
  description: 'Type of the value of a form field.',
  values: mapRecord(types, (description) => ({ description })),
})

export const FormFieldRef = builder.objectRef<FormField>('FormField')

FormFieldRef.implement({
  description: 'A field of the form for connecting a storage.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Name of the field in its input.' }),
    label: t.exposeString('title', { description: 'Name of the field, for people.' }),
    help: t.exposeString('description', { description: 'Explanation of the field, for people.' }),
    placeholder: t.exposeString('placeholder', {
      nullable: true,
      description: 'Example of a value. Null if the field has no example.',
    }),
    type: t.expose('type', { type: FieldTypeRef, description: 'Type of the value.' }),
    options: t.exposeStringList('options', {
      nullable: true,
      description: 'Allowed values. Null if the field accepts any value of its type.',
    }),
    required: t.exposeBoolean('required', { description: 'Whether the field must have a value.' }),
    secret: t.exposeBoolean('secret', {
      description: 'Whether the field is a secret: the API accepts the value and never returns it.',
    }),
    defaultValue: t.exposeString('defaultValue', {
      nullable: true,
      description: 'Value of an absent field. Null if the field has no default.',
    }),
    minimum: t.exposeFloat('minimum', {
      nullable: true,
      description: 'Smallest allowed number. Null if the field has no minimum.',
    }),
    maximum: t.exposeFloat('maximum', {
      nullable: true,
      description: 'Largest allowed number. Null if the field has no maximum.',
    }),
    fields: t.expose('fields', {
      type: [FormFieldRef],
      nullable: true,
      description: 'The fields inside this one. Null unless the type is `group` or `oneOf`.',
      // Few fields are groups: each level of a form has fewer fields than the one above.
      extensions: { listSize: 1 },
    }),
  }),
})

const formTypes = { text: 'string', choice: 'string', flag: 'boolean', integer: 'integer', number: 'number' } as const

/** The form field for a setting. */
export function formFieldOf(name: string, setting: Setting | Part): FormField {
  const { title, description, placeholder = null, null: nullMeans } = setting
  const value = 'default' in setting ? setting.default : null
  const range: { minimum?: number; maximum?: number } =
    setting.kind === 'integer' || setting.kind === 'number' ? setting : {}
  return {
    name,
    title,
    description: nullMeans ? `${description} Null: ${nullMeans}.` : description,
    placeholder,
    type: typeOf(setting),
    options: setting.kind === 'choice' ? Object.keys(setting.choices) : null,
    required: 'required' in setting && setting.required === true,
    secret: false,
    defaultValue: value === null ? null : String(value),
    minimum: range.minimum ?? null,
    maximum: range.maximum ?? null,
    fields:
      setting.kind === 'group' ? Object.entries(setting.parts).map(([part, field]) => formFieldOf(part, field)) : null,
  }
}

function typeOf(setting: Setting | Part): FormField['type'] {
  if (setting.kind === 'group') return setting.isOneOf ? 'oneOf' : 'group'
  return setting.kind === 'list' ? 'list' : formTypes[setting.kind]
}
