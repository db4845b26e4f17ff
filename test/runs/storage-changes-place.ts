import type { TestApp } from '@sluice/testkit/app.ts'
import { despiteDeadlocks, query } from '@sluice/testkit/sql.ts'
import type { World } from '@sluice/testkit/world.ts'

/** Updates a storage without its check: the name of the result, with its code and message if it is an error. */
export async function update(
  client: Pick<TestApp, 'request'>,
  type: 'Import' | 'Export',
  input: Record<string, unknown>,
) {
  const { answer } = await client.request(
    `mutation ($input: Update${type}StorageInput!) { answer: update${type}Storage(input: $input) {
      __typename ... on Error { code message } ... on ValidationError { fieldErrors { path message } } } }`,
    { input: { skipCheck: true, ...input } },
  )
  return answer
}

/** The result of an update that was saved. */
export const success = (type: 'Import' | 'Export') => ({ __typename: `Update${type}StorageSuccess` })

/** This many objects, with the same keys in every bucket. */
export const sameKeys = (count = 250) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`f/${n}.jpg`, 'x']))

/** Changes the location of a storage by SQL, as another program would. */
export const setLocation = (world: World, storage: number, location: object) =>
  despiteDeadlocks(() =>
    query(world.app.databaseUrl, 'update storage set location = location || $1 where id = $2', [location, storage]),
  )
