import { p } from '@mikro-orm/core'
import { z } from 'zod'

interface Columns {
  maxMissing?: number | null
  maxMissingShare?: number | null
}

type MaxMissing = { count: number | null; share: number | null } | null

/** The limit for missing objects. It has one column for a count and one for a share. */
export const maxMissing = {
  kind: 'group',
  title: 'Limit for missing objects',
  description:
    'Limit for missing objects and rows. If a sync misses more, it changes none of their links and tasks, and reports the issue TOO_MANY_MISSING.',
  null: 'no limit',
  default: null,
  column: p.bigint('number').nullable(),
  schema: z
    .object({
      count: z.number().min(0, 'must not be negative').nullish(),
      share: z.number().min(0, 'must be from 0 to 1').max(1, 'must be from 0 to 1').nullish(),
    })
    .nullable()
    .transform((limit): MaxMissing => limit && { count: limit.count ?? null, share: limit.share ?? null }),
  ofRow: ({ maxMissing: count, maxMissingShare: share }: Columns): MaxMissing =>
    count == null && share == null ? null : { count: count ?? null, share: share ?? null },
  toRow: (limit: MaxMissing): Columns => ({
    maxMissing: limit?.count ?? null,
    maxMissingShare: limit?.share ?? null,
  }),
  typeName: 'MaxMissing',
  typeDescription:
    'Maximum number of missing objects and rows that a sync accepts: a count, or a share of all imported objects or rows.',
  isOneOf: true,
  parts: {
    count: {
      kind: 'integer',
      title: 'Count',
      description: 'Number of objects and rows, at least 0.',
      null: 'the limit is a share',
      minimum: 0,
    },
    share: {
      kind: 'number',
      title: 'Share',
      description: 'Share of all imported objects, and of all imported rows, from 0 to 1.',
      null: 'the limit is a count',
      minimum: 0,
      maximum: 1,
    },
  },
} as const
