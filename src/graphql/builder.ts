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
  DefaultFieldNullability: false
  DefaultEdgesNullability: false
  DefaultNodeNullability: false
  Scalars: {
    ID: { Input: string; Output: string | number }
    DateTime: { Input: Date; Output: Date }
    SafeInt: { Input: number; Output: number }
    JSON: { Input: Json; Output: Json }
  }
}>({
  plugins: [ErrorsPlugin, RelayPlugin],
  defaultFieldNullability: false,
  relay: {
    cursorType: 'String',
    edgesFieldOptions: { nullable: false, description: 'The objects of this page, each with its cursor.' },
    nodeFieldOptions: { nullable: false, description: 'The object.' },
    cursorFieldOptions: { description: 'Where it stands in the list.' },
    pageInfoFieldOptions: { description: 'Where this page stands in the list.' },
    hasNextPageFieldOptions: { description: 'Whether more follows behind `endCursor`.' },
    hasPreviousPageFieldOptions: { description: 'Whether there is more before `startCursor`.' },
    startCursorFieldOptions: { nullable: true, description: 'Cursor of the first object; null = the page is empty.' },
    endCursorFieldOptions: { nullable: true, description: 'Cursor of the last object; null = the page is empty.' },
    firstArgOptions: { description: 'How many from the start, at most 200. Default: 50.' },
    afterArgOptions: { description: 'Only what stands behind this cursor.' },
    lastArgOptions: { description: 'How many from the end, at most 200; not together with `first`.' },
    beforeArgOptions: { description: 'Only what stands before this cursor.' },
    idFieldOptions: { description: 'Global id: opaque, and unique in the whole API.' },
    defaultConnectionTypeOptions: { description: 'A page of a list.' },
    defaultEdgeTypeOptions: { description: 'An object of a page.' },
    nodeQueryOptions: {
      nullable: true,
      description: 'Any object by its global id; null when there is none.',
      args: { id: { description: 'Global id of the object.' } },
    },
    nodesQueryOptions: {
      nullable: { list: false, items: true },
      description: 'Objects by their global ids, in the order asked for; null where there is none.',
      args: { ids: { description: 'Global ids of the objects.' } },
    },
    nodeTypeOptions: { description: 'An object with a global id.' },
    pageInfoTypeOptions: { description: 'Where a page of a list stands.' },
  },
  errors: {
    defaultResultOptions: {
      name: ({ fieldName }) => `${pascal(fieldName)}Success`,
      description: 'It worked.',
    },
    defaultUnionOptions: {
      name: ({ fieldName }) => `${pascal(fieldName)}Result`,
      description: 'The success, or one of the errors to expect.',
    },
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
