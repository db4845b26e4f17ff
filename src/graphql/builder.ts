import SchemaBuilder from '@pothos/core'
import ErrorsPlugin from '@pothos/plugin-errors'
import RelayPlugin, { resolveNodes } from '@pothos/plugin-relay'
import { DateTimeResolver, JSONResolver, SafeIntResolver } from 'graphql-scalars'
import type { Json } from '../json.ts'
import type { Context } from './context.ts'
import { decodeId, isNodeId } from './ids.ts'

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
    // A malformed id is the id of no object.
    decodeGlobalID: decodeId,
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
      resolve: (_root, { id }, _context, { schema }, resolveNode) => (isNodeId(schema, id) ? resolveNode(id) : null),
    },
    nodesQueryOptions: {
      nullable: { list: false, items: true },
      description: 'Objects by their global ids, in the order asked for; null where there is none.',
      args: { ids: { description: 'Global ids of the objects, at most 100.', extensions: { maxItems: 100 } } },
      // Not by the given function, which takes no other ids than the argument's.
      resolve: (_root, { ids }, context, info) => {
        const known = ids.map((id) => (isNodeId(info.schema, id) ? id : null))
        return resolveNodes(itself(), context, info, known)
      },
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

/** The builder, for use in its own options. */
function itself(): PothosSchemaTypes.SchemaBuilder<never> {
  return builder as never
}

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
    extensions: { cost: 50 },
    resolve: (connection) => connection.countAll?.() ?? null,
  }),
)
