import { type ProviderName, providerNames, providers } from '../providers/registry.ts'
import { builder } from './builder.ts'
import { type FormField, formFields, StorageProviderRef } from './location.ts'

const FieldTypeRef = builder.enumType('FormFieldType', {
  description: 'Type of the value of a form field.',
  values: {
    string: { description: 'Text. If the field has `options`, one of them.' },
    boolean: { description: 'True or false.' },
    integer: { description: 'An integer.' },
  } satisfies Record<FormField['type'], { description: string }>,
})

const FormFieldRef = builder.objectRef<FormField>('FormField').implement({
  description: 'A field of the form for connecting a storage of one provider.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Name of the field in the location input of the provider.' }),
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
  }),
})

const ProviderRef = builder.objectRef<ProviderName>('ProviderDescriptor').implement({
  description: 'A kind of storage, and the form for connecting one.',
  fields: (t) => ({
    provider: t.field({ type: StorageProviderRef, description: 'The kind of storage.', resolve: (name) => name }),
    title: t.string({ description: 'Name of the kind, for people.', resolve: (name) => providers[name].title }),
    inputName: t.string({
      description: 'Name of the field in StorageLocationInput that takes a location of this kind.',
      resolve: (name) => providers[name].inputName,
    }),
    uriScheme: t.string({
      description: 'Scheme of the URIs of the objects, such as s3.',
      resolve: (name) => providers[name].uriScheme,
    }),
    canPresign: t.boolean({
      description: 'Whether Sluice can create presigned URLs for this kind. If false, the server streams the bytes.',
      resolve: (name) => providers[name].canPresign,
    }),
    fields: t.field({
      type: [FormFieldRef],
      description: 'The fields of the form, in the order in which to display them.',
      resolve: (name) => formFields(name),
    }),
  }),
})

builder.queryFields((t) => ({
  providers: t.field({
    type: [ProviderRef],
    description: 'The kinds of storage that the server supports.',
    resolve: () => providerNames,
  }),
}))
