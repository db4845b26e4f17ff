import SchemaBuilder from '@pothos/core'
import ErrorsPlugin from '@pothos/plugin-errors'
import RelayPlugin, { resolveNodes } from '@pothos/plugin-relay'
import { DateTimeResolver, JSONResolver, SafeIntResolver } from 'graphql-scalars'
import type { Json } from '../json.ts'
import type { Context } from './context.ts'
import { decodeId, isNodeId } from './ids.ts'

/** Builds the schema. Every file of this folder adds its types and fields. */
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
    // A malformed id belongs to no object.
    decodeGlobalID: decodeId,
    edgesFieldOptions: { nullable: false, description: 'The nodes of this page, each with its cursor.' },
    nodeFieldOptions: { nullable: false, description: 'The node.' },
    cursorFieldOptions: { description: 'Opaque position of the node in the list, for `after` and `before`.' },
    pageInfoFieldOptions: { description: 'Position of this page in the list.' },
    hasNextPageFieldOptions: {
      description: 'Whether nodes follow after `endCursor`. When paging with `last`, true if `before` is given.',
    },
    hasPreviousPageFieldOptions: {
      description: 'Whether nodes precede `startCursor`. When paging with `first`, true if `after` is given.',
    },
    startCursorFieldOptions: { nullable: true, description: 'Cursor of the first node. Null if the page is empty.' },
    endCursorFieldOptions: { nullable: true, description: 'Cursor of the last node. Null if the page is empty.' },
    firstArgOptions: { description: 'Page size, counted from the start of the list: 0 to 200. Default: 50.' },
    afterArgOptions: { description: 'Return only nodes after this cursor.' },
    lastArgOptions: {
      description: 'Page size, counted from the end of the list: 0 to 200. Not together with `first`.',
    },
    beforeArgOptions: { description: 'Return only nodes before this cursor.' },
    idFieldOptions: { description: 'Global id: opaque, and unique across all types.' },
    defaultConnectionTypeOptions: { description: 'One page of a list.' },
    defaultEdgeTypeOptions: { description: 'One entry of a page.' },
    nodeQueryOptions: {
      nullable: true,
      description: 'One object of any type by its global id. Null if the object does not exist.',
      args: { id: { description: 'Global id of the object.' } },
      resolve: (_root, { id }, _context, { schema }, resolveNode) => (isNodeId(schema, id) ? resolveNode(id) : null),
    },
    nodesQueryOptions: {
      nullable: { list: false, items: true },
      description:
        'Objects of any type by their global ids, in the order of `ids`. Null for each object that does not exist.',
      args: { ids: { description: 'Global ids of the objects, at most 100.', extensions: { maxItems: 100 } } },
      // The function that Pothos passes takes the ids of the argument only, so it cannot skip malformed ones.
      resolve: (_root, { ids }, context, info) => {
        const known = ids.map((id) => (isNodeId(info.schema, id) ? id : null))
        return resolveNodes(itself(), context, info, known)
      },
    },
    nodeTypeOptions: { description: 'An object with a global id.' },
    pageInfoTypeOptions: { description: 'Position of a page in its list.' },
  },
  errors: {
    defaultResultOptions: {
      name: ({ fieldName }) => `${pascal(fieldName)}Success`,
      description: 'Result of a successful operation.',
    },
    defaultUnionOptions: {
      name: ({ fieldName }) => `${pascal(fieldName)}Result`,
      description: 'Either the success or one of the expected errors.',
    },
  },
})

/** The builder, for use within its own options. */
function itself(): PothosSchemaTypes.SchemaBuilder<never> {
  return builder as never
}

const pascal = (name: string) => name[0]!.toUpperCase() + name.slice(1)

builder.addScalarType('DateTime', DateTimeResolver)
builder.addScalarType('SafeInt', SafeIntResolver)
builder.addScalarType('JSON', JSONResolver)

builder.queryType({ description: 'Queries. They change nothing.' })
builder.mutationType({ description: 'Mutations. Each returns a union of its success and its expected errors.' })
builder.subscriptionType({
  description: 'Live changes, over WebSocket (protocol graphql-transport-ws) or server-sent events.',
})

builder.globalConnectionField('totalCount', (t) =>
  t.field({
    type: 'SafeInt',
    nullable: true,
    description: 'Number of nodes in the whole list. The server counts them only if the query selects this field.',
    extensions: { cost: 50 },
    resolve: (connection) => connection.countAll?.() ?? null,
  }),
)
