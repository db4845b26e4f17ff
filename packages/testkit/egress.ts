import type { ProviderEnvironment } from '../../src/providers/provider.ts'
import { createEgress } from '../../src/security/egress.ts'

/** The way out of a server in local mode, whose emulators lie on this machine. */
export const localEgress = createEgress({ isLocal: true, allowed: [], blocked: [] })

/** What a provider is opened with. */
export const environment: ProviderEnvironment = { egress: localEgress }

/** What lets a server that is not in local mode, such as one process of several, reach emulators on this machine. */
export const allowEmulators = { EGRESS_ALLOWED: '127.0.0.0/8,::1' }
