import { describeAborts } from './conformance/aborts.ts'
import { describeKeys } from './conformance/keys.ts'
import { describeListing } from './conformance/listing.ts'
import { describeObjects } from './conformance/objects.ts'
import { type Abilities, createWorld, type Place } from './conformance/world.ts'

/** The contract of `Provider`, as tests that every kind of storage passes. `setup` is called once per test. */
export function describeProvider(name: string, abilities: Abilities, setup: () => Promise<Place>): void {
  const world = createWorld(abilities, setup)
  describeListing(name, abilities, world)
  describeObjects(name, abilities, world)
  describeAborts(name, world)
  describeKeys(name, abilities, world)
}
