import { type ProviderName, providerNames, providers } from '../providers/registry.ts'
import { builder } from './builder.ts'
import { type FormField, formFields, StorageProviderRef } from './location.ts'

const FieldTypeRef = builder.enumType('FormFieldType', {
  description: 'What a field of a form takes.',
  values: {
    string: { description: 'A text; one of `options` when there are any.' },
    boolean: { description: 'Yes or no.' },
    integer: { description: 'A whole number.' },
  } satisfies Record<FormField['type'], { description: string }>,
})

const FormFieldRef = builder.objectRef<FormField>('FormField').implement({
  description: "A field of a provider's form.",
  fields: (t) => ({
    name: t.exposeString('name', { description: "Its name in the provider's location input." }),
    label: t.exposeString('title', { description: 'Its name for people.' }),
    help: t.exposeString('description', { description: 'What to enter.' }),
    placeholder: t.exposeString('placeholder', { nullable: true, description: 'An example; null = none.' }),
    type: t.expose('type', { type: FieldTypeRef, description: 'What it takes.' }),
    options: t.exposeStringList('options', { nullable: true, description: 'The values to choose from; null = any.' }),
    required: t.exposeBoolean('required', { description: 'Whether it must be filled in.' }),
    secret: t.exposeBoolean('secret', { description: 'Whether it is written but never read back.' }),
    defaultValue: t.exposeString('defaultValue', {
      nullable: true,
      description: 'What it is when absent; null = nothing.',
    }),
  }),
})

const ProviderRef = builder.objectRef<ProviderName>('ProviderDescriptor').implement({
  description: 'A kind of storage that can be connected, and its form.',
  fields: (t) => ({
    provider: t.field({ type: StorageProviderRef, description: 'Its name in this API.', resolve: (name) => name }),
    title: t.string({ description: 'Its name for people.', resolve: (name) => providers[name].title }),
    inputName: t.string({
      description: 'Its field in StorageLocationInput.',
      resolve: (name) => providers[name].inputName,
    }),
    uriScheme: t.string({
      description: 'Scheme of the URIs of its objects, such as s3.',
      resolve: (name) => providers[name].uriScheme,
    }),
    canPresign: t.boolean({
      description: 'Whether it can make signed URLs; otherwise bytes go through this server.',
      resolve: (name) => providers[name].canPresign,
    }),
    fields: t.field({
      type: [FormFieldRef],
      description: 'The fields of its form.',
      resolve: (name) => formFields(name),
    }),
  }),
})

builder.queryFields((t) => ({
  providers: t.field({
    type: [ProviderRef],
    description: 'The kinds of storage that can be connected.',
    resolve: () => providerNames,
  }),
}))
