import type { UrlMapping } from '../entities/url-mapping.ts'
import type { UrlMappingInput as Mapping } from '../labeling/url-mappings.ts'
import { builder } from './builder.ts'
import { decodeId, globalIdOf } from './ids.ts'
import { ImportStorageRef } from './refs.ts'

const descriptions = {
  prefix:
    'What the URLs begin with, literally, such as /data/upload/ or /data/local-files/?d=. The longest prefix that fits counts. The rest is percent-decoded: after a ? as the value of a parameter, elsewhere as a path.',
  storageId: 'Global id of the import storage of the same project that has the objects.',
  keyPrefix:
    'What the keys begin with, before the rest of the URL. It must fit the prefix of the storage, outside of which nothing is served.',
}

export const UrlMappingRef = builder.objectRef<UrlMapping>('UrlMapping').implement({
  description:
    'URLs of another tool that stand for objects of a storage. They become links in resolvedData, and links to them are resolved; the stored data stays as it is.',
  fields: (t) => ({
    prefix: t.exposeString('prefix', { description: descriptions.prefix }),
    storageId: t.id({
      description: descriptions.storageId,
      resolve: ({ storage }) => globalIdOf('ImportStorage', storage),
    }),
    storage: t.field({
      type: ImportStorageRef,
      description: 'The storage that has the objects.',
      resolve: async ({ storage }, _args, { loaders }) => (await loaders.storage.load(storage))!,
    }),
    keyPrefix: t.exposeString('keyPrefix', {
      nullable: true,
      description: `${descriptions.keyPrefix} Null: the prefix of the storage.`,
    }),
  }),
})

export const UrlMappingInput = builder.inputType('UrlMappingInput', {
  description: 'URLs of another tool that stand for objects of a storage.',
  fields: (t) => ({
    prefix: t.string({ required: true, description: descriptions.prefix }),
    storageId: t.id({ required: true, description: descriptions.storageId }),
    keyPrefix: t.string({ description: `${descriptions.keyPrefix} Default: the prefix of the storage.` }),
  }),
})

/** Converts the input to a mapping with the database id of the storage. The id is 0, which no storage has, if it is invalid. */
export function readUrlMapping(input: {
  prefix: string
  storageId: string | number
  keyPrefix?: string | null | undefined
}): Mapping {
  const { typename, id } = decodeId(String(input.storageId))
  const isStorage = typename === 'ImportStorage' && /^[1-9]\d{0,15}$/.test(id)
  return { prefix: input.prefix, storage: isStorage ? Number(id) : 0, keyPrefix: input.keyPrefix }
}
