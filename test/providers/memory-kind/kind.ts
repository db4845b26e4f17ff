import { z } from 'zod'
import { defineProvider } from '../../../src/providers/provider.ts'
import { openMemory } from './client.ts'

const text = (title: string, description: string) => ({ title, description })

/** A kind of storage for the test that adds one: buckets in the memory of the process. */
export const memory = defineProvider({
  title: 'Memory',
  typeName: 'MemoryLocation',
  inputName: 'memory',
  uriScheme: 'memory',
  canPresign: false,
  abilities: {
    keyOrder: 'bytes',
    keyCursor: true,
    prefix: 'literal',
    folderMarkers: true,
    contentType: 'as written',
    cannotHold: {},
    cannotPresign: {},
  },
  keyLimit: { max: 1_024, unit: 'bytes', per: 'key' },
  location: z.strictObject({
    bucket: z.string().min(1).meta(text('Bucket', 'Name of the bucket.')),
    prefix: z.string().default('').meta(text('Prefix', 'Sluice uses only keys that start with this text.')),
  }),
  secrets: z.strictObject({}),
  boundTo: {},
  targets: () => [],
  sendsDotSegments: () => true,
  place: ({ bucket, prefix }) => ({ endpoint: '', bucket, prefix }),
  open: async (place) => openMemory(place),
})
