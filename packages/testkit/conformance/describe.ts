import { describe, test } from 'vitest'
import type { ProviderKind } from '../../../src/providers/provider.ts'
import { groups } from './groups.ts'
import { abilitiesOf, createWorld, type Place } from './world.ts'

/** The contract of `Provider`, as tests that every kind of storage passes. `setup` is called for each place a test needs. */
export function describeProvider(name: string, kind: ProviderKind, setup: () => Promise<Place>): void {
  const abilities = abilitiesOf(kind)
  for (const { title, checks } of groups) {
    describe(`${name}: ${title}`, () => {
      for (const check of checks) {
        if (check.needs?.(abilities) === false) continue
        test(check.name, async () => {
          const world = createWorld(abilities, setup)
          try {
            await check.run(world)
          } finally {
            world.end()
          }
        })
      }
    })
  }
}
