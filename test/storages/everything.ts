import { readFileSync } from 'node:fs'
import {
  buildSchema,
  type GraphQLNamedType,
  getNamedType,
  isCompositeType,
  isObjectType,
  isRequiredArgument,
  isUnionType,
} from 'graphql'

const schema = buildSchema(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8'))

/** Relations that lead back, or are asked for elsewhere. */
const left = new Set(['project', 'storage', 'lastRun', 'node', 'nodes'])

/** A selection of every field of a type that needs no argument, as deep as it goes. */
export function everythingOf(typeName: string, depth = 5): string {
  const type = schema.getType(typeName)
  if (isUnionType(type)) {
    const parts = type.getTypes().map((one) => `... on ${one.name} { ${fieldsOf(one, depth)} }`)
    return `__typename ${parts.join(' ')}`
  }
  return type ? fieldsOf(type, depth) : '__typename'
}

function fieldsOf(type: GraphQLNamedType, depth: number): string {
  if (!isObjectType(type)) return '__typename'
  const parts = Object.values(type.getFields()).map(({ name, type: of, args }) => {
    if (args.some(isRequiredArgument)) return ''
    const inner = getNamedType(of)
    if (!isCompositeType(inner)) return name
    if (depth === 0 || left.has(name)) return ''
    return `${name} { ${everythingOf(inner.name, depth - 1)} }`
  })
  return `__typename ${parts.filter(Boolean).join(' ')}`
}

/** Everything that can be read of these storages, their runs and their project, and of the forms. */
export function everythingQuery(): string {
  return `query ($ids: [ID!]!, $project: ID!) {
    providers { ${everythingOf('ProviderDescriptor')} }
    nodes(ids: $ids) { ... on ImportStorage { ${everythingOf('ImportStorage', 5)} } }
    node(id: $project) { ... on Project { id title } }
    storages(projectId: $project, first: 20) { edges { node { __typename id title failure } } }
  }`
}

/** How a secret may look inside a text: as it is, in JSON, in a URL, in base64. */
export function formsOf(secret: string): string[] {
  const escaped = JSON.stringify(secret).slice(1, -1)
  const base64 = ['base64', 'base64url'] as const
  // In the base64 of a longer text it may begin at any byte of three; the ends depend on what is around it.
  const inside = base64.flatMap((encoding) =>
    [0, 1, 2].map((shift) =>
      Buffer.from(' '.repeat(shift) + secret)
        .toString(encoding)
        .replace(/=+$/, '')
        .slice(shift === 0 ? 0 : 4, -2),
    ),
  )
  const urls = [encodeURIComponent(secret), encodeURIComponent(secret).replace(/%20/g, '+'), encodeURI(secret)]
  return [...new Set([secret, escaped, JSON.stringify(escaped).slice(1, -1), ...urls, ...inside])]
}
