import SchemaBuilder from '@pothos/core'
import ErrorsPlugin from '@pothos/plugin-errors'
import RelayPlugin from '@pothos/plugin-relay'
import { DateTimeResolver, JSONResolver, SafeIntResolver } from 'graphql-scalars'
import type { Json } from '../json.ts'
import type { Context } from './context.ts'

/** The schema is built with this; every file of the room adds its subject. */
export const builder = new SchemaBuilder<{
  Context: Context
  Connection: { countAll?: () => Promise<number> }
  Scalars: {
    ID: { Input: string; Output: string | number }
    DateTime: { Input: Date; Output: Date }
    SafeInt: { Input: number; Output: number }
    JSON: { Input: Json; Output: Json }
  }
}>({
  plugins: [ErrorsPlugin, RelayPlugin],
  relay: {
    cursorType: 'String',
    nodeQueryOptions: { description: 'Any object by its global id; null when there is none.' },
    nodesQueryOptions: {
      description: 'Objects by their global ids, in the order asked for; null where there is none.',
    },
    nodeTypeOptions: { description: 'An object with a global id.' },
    pageInfoTypeOptions: { description: 'Where a page of a list stands.' },
  },
  errors: {
    defaultResultOptions: { name: ({ fieldName }) => `${pascal(fieldName)}Success` },
    defaultUnionOptions: { name: ({ fieldName }) => `${pascal(fieldName)}Result` },
  },
})

const pascal = (name: string) => name[0]!.toUpperCase() + name.slice(1)

builder.addScalarType('DateTime', DateTimeResolver)
builder.addScalarType('SafeInt', SafeIntResolver)
builder.addScalarType('JSON', JSONResolver)

builder.queryType({ description: 'Reads.' })
builder.mutationType({ description: 'Changes. Each answers with a union of its success and its expected errors.' })
builder.subscriptionType({ description: 'Live changes, over WebSocket (graphql-ws) and SSE alike.' })

builder.globalConnectionField('totalCount', (t) =>
  t.field({
    type: 'SafeInt',
    nullable: true,
    description: 'How many there are in all; counted only when asked for.',
    resolve: (connection) => connection.countAll?.() ?? null,
  }),
)
