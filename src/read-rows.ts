import type { EntityManager, EntityName, EntityProperty, FindOptions, ObjectQuery } from '@mikro-orm/postgresql'

interface Options<T> extends Pick<FindOptions<T>, 'orderBy' | 'limit'> {
  /** Columns that are not read. The rows have no such property. */
  exclude?: (keyof T & string)[]
}

/**
 * Reads rows as plain objects with the values that entities have. `em.find` needs two to four times the processor time, because it
 * also keeps entities for a later flush. For reads only: a change of a row is never stored. The default filters of the entity apply.
 */
export async function readRows<T extends object>(
  em: EntityManager,
  entity: EntityName<T>,
  where: ObjectQuery<T>,
  options: Options<T> = {},
): Promise<T[]> {
  const scopes = Object.values(em.getMetadata().get(entity).filters).filter(({ default: applies }) => applies)
  const scoped = { $and: [where, ...scopes.map(({ cond }) => cond)] } as ObjectQuery<T>
  const rows = (await em.getDriver().find(entity, scoped, options as never)) as Record<string, unknown>[]
  for (const { name, customType } of convertedProperties(em, entity)) {
    const convert = customType!.convertToJSValue.bind(customType)
    for (const row of rows) {
      if (row[name] !== null && row[name] !== undefined) row[name] = convert(row[name], em.getPlatform())
    }
  }
  return rows as T[]
}

const converted = new WeakMap<object, EntityProperty[]>()

/** The properties whose values differ between the driver and JavaScript, such as bigint columns. */
function convertedProperties(em: EntityManager, entity: EntityName): EntityProperty[] {
  const meta = em.getMetadata().get(entity)
  const known = converted.get(meta)
  if (known) return known
  const properties = meta.props.filter(({ customType }) => customType !== undefined)
  converted.set(meta, properties)
  return properties
}
