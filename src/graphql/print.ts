import { readFile, writeFile } from 'node:fs/promises'
import { lexicographicSortSchema, printSchema } from 'graphql'
import { schema } from './schema.ts'

// `npm run schema` writes schema.graphql. With --check it only fails if the file does not match the code.
const file = new URL('../../schema.graphql', import.meta.url)
const printed = `${printSchema(lexicographicSortSchema(schema))}\n`
if (process.argv.includes('--check')) {
  if ((await readFile(file, 'utf8').catch(() => '')) !== printed) {
    console.error('schema.graphql is not what the code says: run "npm run schema".')
    process.exit(1)
  }
} else {
  await writeFile(file, printed)
}
