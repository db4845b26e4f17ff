import {
  type DocumentNode,
  type FieldNode,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLSchema,
  getArgumentValues,
  getNamedType,
  getNullableType,
  getOperationAST,
  getVariableValues,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isListType,
  isObjectType,
  Kind,
  SchemaMetaFieldDef,
  type SelectionSetNode,
  TypeMetaFieldDef,
} from 'graphql'
import type { FieldError } from '../errors.ts'
import { fieldsOf } from '../unknown.ts'

/** Size of an operation with its variables. */
interface OperationSize {
  /** Upper estimate of the fields in the response; expensive fields count more (extension `cost`). */
  cost: number
  /** Lists in arguments that are longer than allowed (extension `maxItems`). */
  faults: FieldError[]
}

/** Rows of a page without `first` and `last`, and the maximum. */
const page = { normal: 50, most: 200 }
/** Assumed length of a list that no argument limits, if the field does not say its length (extension `listSize`). */
const usualList = 10
// Small enough for the introspection query of GraphiQL, which reads the arguments of the fields of all types.
const usualIntrospection = 7
// Mutations check the length of their lists themselves and report errors as data. This higher limit is a safety net.
const maxItems = { QUERY: 1_000, MUTATION: 20_000 }

/** Measures an operation before it is executed, in linear time of the document. Undefined if the operation is not valid. */
export function measureOperation(options: {
  schema: GraphQLSchema
  document: DocumentNode
  operationName?: string | null | undefined
  variables: Record<string, unknown>
}): OperationSize | undefined {
  const { schema, document } = options
  const operation = getOperationAST(document, options.operationName)
  const root = operation && schema.getRootType(operation.operation)
  if (!operation || !root) return undefined
  const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], options.variables)
  if (!coerced) return undefined
  const fragments = new Map(
    document.definitions.flatMap((node) => (node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node]] : [])),
  )
  const fragmentCosts = new Map<string, number>()
  const faults: FieldError[] = []
  const maxList = operation.operation === 'mutation' ? maxItems.MUTATION : maxItems.QUERY

  /** `size` is the length of the next nested list, if an argument of an outer field limits it. */
  const costOf = (type: GraphQLNamedType, { selections }: SelectionSetNode, size: number | undefined): number => {
    let cost = 0
    for (const node of selections) {
      if (node.kind === Kind.FIELD) cost += fieldCost(type, node, size)
      else if (node.kind === Kind.INLINE_FRAGMENT) {
        const on = node.typeCondition ? schema.getType(node.typeCondition.name.value) : type
        if (on) cost += costOf(on, node.selectionSet, size)
      } else cost += spreadCost(node.name.value, size)
    }
    return cost
  }
  const spreadCost = (name: string, size: number | undefined): number => {
    const key = `${name} ${size}`
    const known = fragmentCosts.get(key)
    if (known !== undefined) return known
    // A fragment that spreads itself is not valid, but it must not cause an infinite recursion here.
    fragmentCosts.set(key, 0)
    const fragment = fragments.get(name)
    const on = fragment && schema.getType(fragment.typeCondition.name.value)
    const cost = fragment && on ? costOf(on, fragment.selectionSet, size) : 0
    fragmentCosts.set(key, cost)
    return cost
  }
  const fieldCost = (type: GraphQLNamedType, node: FieldNode, size: number | undefined): number => {
    const field = fieldDefinition(type, node.name.value)
    if (!field) return 1
    const own = typeof field.extensions.cost === 'number' ? field.extensions.cost : 1
    const args = argumentsOf(field, node, coerced)
    for (const arg of field.args) {
      longLists(args[arg.name], arg.type, { path: arg.name, max: arg.extensions.maxItems ?? maxList }, faults)
    }
    if (!node.selectionSet) return own
    const childCost = sizeOf(field, args) ?? size
    const inside = getNamedType(field.type)
    if (!isListType(getNullableType(field.type))) return own + costOf(inside, node.selectionSet, childCost)
    const known = typeof field.extensions.listSize === 'number' ? field.extensions.listSize : usualList
    const usual = isIntrospectionType(inside) ? usualIntrospection : known
    return own + (childCost ?? usual) * (1 + costOf(inside, node.selectionSet, undefined))
  }
  return { cost: costOf(root, operation.selectionSet, undefined), faults }
}

function fieldDefinition(type: GraphQLNamedType, name: string): GraphQLField<unknown, unknown> | undefined {
  if (name === SchemaMetaFieldDef.name) return SchemaMetaFieldDef
  if (name === TypeMetaFieldDef.name) return TypeMetaFieldDef
  return isObjectType(type) || isInterfaceType(type) ? type.getFields()[name] : undefined
}

function argumentsOf(field: GraphQLField<unknown, unknown>, node: FieldNode, variables: Record<string, unknown>) {
  try {
    return getArgumentValues(field, node, variables)
  } catch {
    // The executor reports the error at this field.
    return {}
  }
}

/** The number of rows that the arguments request. Undefined if they do not limit it. */
function sizeOf(field: GraphQLField<unknown, unknown>, args: Record<string, unknown>): number | undefined {
  if (field.args.some(({ name }) => name === 'first')) {
    const coerced = args.first ?? args.last ?? page.normal
    const most = field.args.some(({ name }) => name === 'last') ? page.most : 1_000
    return Math.min(Math.max(Number(coerced), 0), most)
  }
  const lists = Object.values(args).flatMap((value) =>
    Array.isArray(value) ? [value] : Object.values(Object(value)).filter(Array.isArray),
  )
  return lists.length > 0 ? Math.max(...lists.map(({ length }) => length)) : undefined
}

function longLists(
  value: unknown,
  type: GraphQLInputType,
  at: { path: string; max: unknown },
  faults: FieldError[],
): void {
  const inner = getNullableType(type)
  if (isListType(inner) && Array.isArray(value)) {
    if (value.length > Number(at.max)) {
      faults.push({ path: at.path, message: `must be at most ${at.max}, but there are ${value.length}` })
      return
    }
    if (!isInputObjectType(getNamedType(inner))) return
    for (const [n, item] of value.entries()) longLists(item, inner.ofType, { ...at, path: `${at.path}.${n}` }, faults)
  } else if (isInputObjectType(inner) && typeof value === 'object' && value !== null) {
    for (const field of Object.values(inner.getFields())) {
      const max = field.extensions.maxItems ?? at.max
      longLists(fieldsOf<string>(value)[field.name], field.type, { path: `${at.path}.${field.name}`, max }, faults)
    }
  }
}
