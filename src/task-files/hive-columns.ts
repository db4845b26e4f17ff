import { put } from './parquet/put.ts'

// What Hive writes for a value that is null.
const hiveNull = '__HIVE_DEFAULT_PARTITION__'

/** The columns that the folders of a key stand for: `name=value/`, with escapes such as %2F undone. */
export function hiveColumnsOf(key: string): Record<string, string | null> {
  const columns = {}
  for (const folder of key.split('/').slice(0, -1)) {
    const [, name, value] = /^([^=]+)=(.*)$/.exec(folder) ?? []
    if (name !== undefined) put(columns, unescaped(name), value === hiveNull ? null : unescaped(value!))
  }
  return columns
}

/** Adds columns to the JSON text of an object, whose own fields win. The rest of the text stays as it is. */
export function withColumns(data: string, columns: Record<string, string | null>): string {
  const own: object = JSON.parse(data)
  const added = Object.entries(columns).filter(([name]) => !Object.hasOwn(own, name))
  if (added.length === 0) return data
  const text = added.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')
  const end = data.lastIndexOf('}')
  return `${data.slice(0, end)}${Object.keys(own).length > 0 ? ',' : ''}${text}}`
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
