import {
  type GraphQLNamedType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedScalarType,
} from 'graphql'
import { describe, expect, it } from 'vitest'
import { schema } from '../../src/graphql/schema.ts'

const types = Object.values(schema.getTypeMap()).filter(
  (type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type),
)

/** Everything in the schema that a reader may want to be told about. */
function* describable(type: GraphQLNamedType): Generator<[string, string | null | undefined]> {
  yield [type.name, type.description]
  if (isEnumType(type)) for (const value of type.getValues()) yield [`${type.name}.${value.name}`, value.description]
  if (isInputObjectType(type) || isObjectType(type) || isInterfaceType(type)) {
    for (const field of Object.values(type.getFields())) {
      yield [`${type.name}.${field.name}`, field.description]
      for (const arg of 'args' in field ? field.args : []) {
        yield [`${type.name}.${field.name}(${arg.name})`, arg.description]
      }
    }
  }
}

describe('the schema', () => {
  it('describes every type, field, argument and enum value', () => {
    const silent = types.flatMap((type) => [...describable(type)]).filter(([, description]) => !description?.trim())
    expect(silent.map(([name]) => name)).toEqual([])
  })

  it('gives every storage, whatever its type, a global id', () => {
    const storage = schema.getType('Storage')
    expect(isInterfaceType(storage) && storage.getInterfaces().map(({ name }) => name)).toEqual(['Node'])
  })

  it('has no readable type with a secret', () => {
    const secrets = /secret(AccessKey|Key)|accessKeyId|sessionToken|password/i
    const read = types.filter((type) => isObjectType(type) || isInterfaceType(type))
    const leaks = read.flatMap((type) => Object.keys(type.getFields()).filter((name) => secrets.test(name)))
    expect(leaks).toEqual([])
  })

  it('answers every mutation with a union of its success and errors that share the interface Error', () => {
    for (const field of Object.values(schema.getMutationType()!.getFields())) {
      const result = getNamedType(field.type)
      const members = schema.getPossibleTypes(result as never)
      const [success, ...errors] = [...members].sort(
        (a, b) => Number(b.name.endsWith('Success')) - Number(a.name.endsWith('Success')),
      )
      expect(success?.name.endsWith('Success')).toBe(true)
      expect(errors.length, field.name).toBeGreaterThan(0)
      for (const error of errors) expect(error.getInterfaces().map(({ name }) => name)).toEqual(['Error'])
    }
  })
})
