import { p } from '@mikro-orm/core'
import { z } from 'zod'

/** Conditions for objects to import, in addition to `regexFilter`. An absent part includes all objects. */
export interface ImportFilters {
  /** Glob patterns of which a key must match one. */
  include?: string[]
  /** Glob patterns of which a key must match none. */
  exclude?: string[]
  minBytes?: number
  maxBytes?: number
  minAgeSeconds?: number
  maxAgeSeconds?: number
  /** Maximum number of objects that one sync imports. */
  maxObjects?: number
  /** `take` of every `of` objects, selected by a hash of the key. */
  sample?: { take: number; of: number }
}

const count = z.number().nullish()
const withoutNulls = (value: object) =>
  Object.fromEntries(Object.entries(value).filter(([, part]) => part !== null && part !== undefined))

/** Checks types only. `storages/object-filter.ts` checks the ranges of the parts and the rules between them. */
const schema = z
  .object({
    include: z.array(z.string()).nullish(),
    exclude: z.array(z.string()).nullish(),
    minBytes: count,
    maxBytes: count,
    minAgeSeconds: count,
    maxAgeSeconds: count,
    maxObjects: count,
    sample: z.object({ take: z.number(), of: z.number() }).nullish(),
  })
  .nullable()
  .transform((filters): ImportFilters | null => {
    const given = withoutNulls(filters ?? {})
    return Object.keys(given).length === 0 ? null : given
  })

const sampleDescription = 'A sample of all objects: about `take` of every `of` objects, selected by a hash of the key.'

/** Conditions on keys, sizes and ages. */
export const filters = {
  kind: 'group',
  title: 'Filters',
  description:
    'Conditions that an object must meet to be imported, in addition to regexFilter. A change replaces all of them.',
  null: 'no conditions',
  default: null,
  column: p.json<ImportFilters>().nullable(),
  schema,
  typeName: 'ImportFilters',
  typeDescription: 'Conditions that an object must meet to be imported, in addition to regexFilter.',
  parts: {
    include: {
      kind: 'list',
      title: 'Include',
      description:
        'Glob patterns as in bash, at most 100: * matches within a folder, ** across folders, ? one character, [abc] one of these, [!abc] one other, {a,b} either text, {1..3} a number of a range; \\ makes the next character literal. The import includes only keys that match at least one pattern as a whole.',
      null: 'every key',
      placeholder: '**/*.jpg',
    },
    exclude: {
      kind: 'list',
      title: 'Exclude',
      description:
        'Glob patterns as for `include`, at most 100. The import excludes keys that match at least one pattern as a whole.',
      null: 'it excludes none',
      placeholder: '**/drafts/**',
    },
    minBytes: {
      kind: 'integer',
      title: 'Minimum size',
      description: 'Minimum size of an object in bytes.',
      null: 'no minimum',
      minimum: 0,
    },
    maxBytes: {
      kind: 'integer',
      title: 'Maximum size',
      description: 'Maximum size of an object in bytes.',
      null: 'no maximum',
      minimum: 0,
    },
    minAgeSeconds: {
      kind: 'integer',
      title: 'Minimum age',
      description:
        'Minimum age in seconds: the import excludes objects that changed more recently, for example because a program still writes them.',
      null: 'no minimum',
      minimum: 0,
    },
    maxAgeSeconds: {
      kind: 'integer',
      title: 'Maximum age',
      description: 'Maximum age in seconds: the import excludes objects whose last change is longer ago.',
      null: 'no maximum',
      minimum: 0,
    },
    maxObjects: {
      kind: 'integer',
      title: 'Objects per sync',
      description:
        'Maximum number of objects that one sync imports, at least 1. Such a sync does not detect missing objects.',
      null: 'no maximum',
      minimum: 1,
    },
    sample: {
      kind: 'group',
      title: 'Sample',
      description: 'Import only a sample of the objects. Every sync selects the same objects.',
      null: 'all objects',
      typeName: 'ImportSample',
      typeDescription: sampleDescription,
      parts: {
        take: {
          kind: 'integer',
          title: 'Take',
          description: 'Numerator of the sampled share, from 1 to `of`.',
          required: true,
          minimum: 1,
          maximum: 2 ** 31 - 1,
        },
        of: {
          kind: 'integer',
          title: 'Of',
          description: 'Denominator of the sampled share.',
          required: true,
          minimum: 1,
          maximum: 2 ** 31 - 1,
        },
      },
    },
  },
} as const
