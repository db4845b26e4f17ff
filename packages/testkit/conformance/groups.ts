import { aborts } from './aborts.ts'
import { existing } from './existing.ts'
import { generatedKeys } from './generated-keys.ts'
import { keys } from './keys.ts'
import { listing } from './listing.ts'
import { load } from './load.ts'
import { reading, writing } from './objects.ts'
import { signedUrls } from './signed-urls.ts'
import type { CheckGroup } from './world.ts'

/** The contract of `Provider`, by subject. */
export const groups: CheckGroup[] = [existing, listing, reading, writing, aborts, keys, generatedKeys, signedUrls, load]
