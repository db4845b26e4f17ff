import type { GraphqlClient } from './client.ts'
import { finished } from './scenario.ts'

/** The answer of `importObjects`: `{ run: { id kind } }` or an error as data. */
export async function askToImport(client: GraphqlClient, storageId: string, keys: string[]) {
  const { importObjects } = await client.request(
    `mutation ($input: ImportObjectsInput!) { importObjects(input: $input) { __typename
      ... on ImportObjectsSuccess { run { id kind } } ... on Error { code message }
      ... on ValidationError { fieldErrors { path code message } } } }`,
    { input: { storageId, keys } },
  )
  return importObjects
}

/** Imports the objects of these keys and returns the run with its issues. */
export async function importObjects(client: GraphqlClient, storageId: string, keys: string[]) {
  const { run, ...error } = await askToImport(client, storageId, keys)
  if (!run) throw new Error(`The import was not queued: ${JSON.stringify(error)}`)
  return finished(client, run.id)
}
