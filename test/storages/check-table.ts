import { errorFields } from '@sluice/testkit/errors.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { World } from './check-world.ts'

/** What is given to `checkStorage` besides the project. */
export interface Candidate {
  location: Record<string, unknown>
  direction?: 'IMPORT' | 'EXPORT'
  importMethod?: 'FILES' | 'TASKS'
}

/** What is wrong, the step and the code that say so, and how to come there. */
export type Situation<P> = [
  what: string,
  step: string,
  code: string,
  candidate: (place: P) => Candidate | Promise<Candidate>,
]

interface Table<P extends { stop(): Promise<unknown> | unknown }> {
  provider: string
  /** Prepares what the situations need. */
  start: (world: World) => Promise<P>
  situations: Situation<P>[]
  /** Locations that are refused before anything is tried, and the field that is to blame. */
  invalid?: [what: string, field: string, location: (place: P) => Record<string, unknown>][]
  /** A location where all is well, with one object in it, and the keys that are there. */
  good: (place: P) => { location: Record<string, unknown>; keys: () => Promise<string[]> }
  presigns: boolean
  /** Whether its answers tell the time. */
  tellsTime: boolean
}

interface Step {
  name: string
  status: string
  code: string | null
  message: string
  hint: string | null
}

/** Checks a candidate by the API. */
export async function checkOf({ app, project }: World, candidate: Candidate) {
  const { checkStorage } = await app.request(
    `mutation ($input: CheckStorageInput!) { checkStorage(input: $input) { __typename
      ... on CheckStorageSuccess { check { ok steps { name status code message hint } } } ${errorFields} } }`,
    { input: { projectId: project, ...candidate } },
  )
  return checkStorage as {
    check?: { ok: boolean; steps: Step[] }
    code?: string
    fieldErrors?: { path: string; message: string }[]
  }
}

/** Registers the tests of one provider in the given world. */
export function describeChecks<P extends { stop(): Promise<unknown> | unknown }>(world: () => World, table: Table<P>) {
  describe(`the check of ${table.provider}`, () => {
    let place: P
    beforeAll(async () => {
      place = await table.start(world())
    })
    afterAll(async () => {
      await place?.stop()
    })

    it.for(table.situations)('says of %s: %s %s, and what to do', async ([, name, code, candidate]) => {
      const { check, ...fault } = await checkOf(world(), await candidate(place))
      expect(fault).toEqual({ __typename: 'CheckStorageSuccess' })
      expect(check?.ok).toBe(false)
      const failed = check!.steps.filter(({ status }) => status === 'FAILED')
      expect(failed).toEqual([
        { name, status: 'FAILED', code, message: expect.stringMatching(/./), hint: expect.stringMatching(/./) },
      ])
      const steps = check!.steps.map((step) => step.status)
      const at = steps.indexOf('FAILED')
      expect(steps.slice(at + 1).every((status) => status === 'SKIPPED')).toBe(true)
    })

    if (table.invalid) {
      it.for(table.invalid)('refuses %s as a fault of %s', async ([, field, location]) => {
        for (const direction of ['IMPORT', 'EXPORT'] as const) {
          const answer = await checkOf(world(), { location: location(place), direction })
          expect(answer).toMatchObject({ code: 'VALIDATION' })
          expect(answer.fieldErrors?.map(({ path }) => path)).toEqual([`input.location.${field}`])
        }
      })
    }

    it('finds nothing wrong with a good source', async () => {
      const { location } = table.good(place)
      const { check } = await checkOf(world(), { location, importMethod: 'TASKS' })
      expect(check?.steps.map(({ name, status }) => `${name} ${status}`)).toEqual([
        'CONFIGURATION OK',
        'EGRESS OK',
        'REACH OK',
        'AUTHENTICATE OK',
        'OPEN OK',
        'FIND_OBJECT OK',
        'READ_OBJECT OK',
        'WRITE_OBJECT SKIPPED',
        `PRESIGN ${table.presigns ? 'OK' : 'SKIPPED'}`,
        `CLOCK ${table.tellsTime ? 'OK' : 'SKIPPED'}`,
      ])
      expect(check?.ok).toBe(true)
      const hinted = check!.steps.filter(({ hint }) => hint !== null)
      expect(hinted.map(({ name }) => name)).toEqual(table.presigns ? ['PRESIGN'] : [])
      for (const { hint } of hinted) expect(hint).toMatch(/CORS rule: .*GET.*HEAD/)
    })

    it('finds nothing wrong with a good target, and leaves nothing behind', async () => {
      const { location, keys } = table.good(place)
      const before = await keys()
      const { check } = await checkOf(world(), { location, direction: 'EXPORT' })
      expect(check?.ok).toBe(true)
      expect(check?.steps.filter(({ status }) => status === 'OK').map(({ name }) => name)).toEqual([
        'CONFIGURATION',
        'EGRESS',
        'REACH',
        'AUTHENTICATE',
        'OPEN',
        'WRITE_OBJECT',
        ...(table.tellsTime ? ['CLOCK'] : []),
      ])
      expect(await keys()).toEqual(before)
      expect(before).toHaveLength(1)
    })
  })
}
