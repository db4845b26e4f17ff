import { type ProviderName, providerNames, providers } from '../providers/registry.ts'
import { exportSettings } from '../storage-settings/export.ts'
import { importSettings } from '../storage-settings/import.ts'
import type { Settings } from '../storage-settings/kinds.ts'
import { builder } from './builder.ts'
import { FormFieldRef, formFieldOf } from './form-field.ts'
import { formFields, StorageProviderRef } from './location.ts'

const settingsForm = (settings: Settings) =>
  Object.entries(settings).map(([name, setting]) => formFieldOf(name, setting))

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
      description:
        'The fields for the location, in the order in which to display them. Their names are those of the location input.',
      resolve: (name) => formFields(name),
    }),
    importSettings: t.field({
      type: [FormFieldRef],
      description:
        'The fields for the settings of an import storage, in the order in which to display them. Their names are those of CreateImportStorageInput.',
      extensions: { listSize: Object.keys(importSettings).length },
      resolve: () => settingsForm(importSettings),
    }),
    exportSettings: t.field({
      type: [FormFieldRef],
      description:
        'The fields for the settings of an export storage, in the order in which to display them. Their names are those of CreateExportStorageInput.',
      extensions: { listSize: Object.keys(exportSettings).length },
      resolve: () => settingsForm(exportSettings),
    }),
  }),
})

builder.queryFields((t) => ({
  providers: t.field({
    type: [ProviderRef],
    description: 'The kinds of storage that the server supports.',
    extensions: { listSize: providerNames.length },
    resolve: () => providerNames,
  }),
}))
