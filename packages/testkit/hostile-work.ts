import { errorFields } from './errors.ts'
import type { HostilePlace, HostileWorld } from './hostile-world.ts'
import { createProject } from './scenario.ts'

/** Modes in which a listing never ends by itself. */
export const syncedModes = [
  'endless-page',
  'many-keys',
  'tag-page',
  'descending',
  'repeating',
  'empty-pages',
  'endless-scan',
  'same-scan',
]

/** Checks a place. The code of the first step that failed; null if none did. */
export async function checkHostile(
  { client }: Pick<HostileWorld, 'client'>,
  { name, location }: HostilePlace,
): Promise<string | null> {
  const projectId = await createProject(client, name)
  const { checkStorage } = await client.request(
    `mutation ($input: CheckStorageInput!) { checkStorage(input: $input) {
      ... on CheckStorageSuccess { check { steps { status code } } } ${errorFields} } }`,
    { input: { projectId, location, importMethod: 'FILES' } },
  )
  const steps: { status: string; code: string | null }[] = checkStorage.check.steps
  return steps.find(({ status }) => status === 'FAILED')?.code ?? null
}
