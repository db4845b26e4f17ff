import type { EntityManager } from '@mikro-orm/postgresql'
import { type MediaTokens, mediaTokenSeconds } from '../auth/media-tokens.ts'
import type { Viewer } from '../auth/tokens.ts'
import type { Connect } from '../connect.ts'
import type { EventHub } from '../events/hub.ts'
import type { Queue } from '../queue/agenda.ts'
import type { ResolveParts } from '../resolve/deliver.ts'
import type { StorageParts } from '../storages/draft.ts'
import type { AnnounceParts } from '../webhooks/announce.ts'
import type { SaveParts } from '../webhooks/save.ts'
import { createLoaders, type Loaders } from './loaders.ts'

/** The parts of the application that resolvers call. */
export interface GraphqlParts {
  em: EntityManager
  queue: Queue
  events: EventHub
  connect: Connect
  storages: StorageParts
  webhooks: SaveParts & AnnounceParts
  /** Looks after the project's runs that nobody works on any more, so that what is read next is true; never rejects. */
  sweep: (project: number) => Promise<void>
  /** Least time between two syncs of a schedule. */
  scheduleMinSeconds: number
  mediaTokens: MediaTokens
  resolve: ResolveParts
  /** Where clients reach this server; without a slash at its end. */
  publicUrl: string
}

/** What one operation works with; made alike for HTTP, SSE and WebSocket. */
export interface Context extends GraphqlParts {
  viewer: Viewer
  /** Reads of this operation, or of the present event of a subscription. */
  loaders: Loaders
}

/** A context with reads of its own. */
export function createContext(parts: GraphqlParts, viewer: Viewer): Context {
  const em = parts.em.fork()
  return { ...parts, em, viewer, loaders: createLoaders(em, issuer(parts, viewer)) }
}

const issuer =
  ({ mediaTokens }: GraphqlParts, viewer: Viewer) =>
  (project: number) =>
    mediaTokens.issue(viewer, { project, ttlSeconds: mediaTokenSeconds.normal })

/** Forgets what was read: every event of a subscription sees the present state. */
export function renewReads(context: Context): void {
  context.em = context.em.fork()
  context.loaders = createLoaders(context.em, issuer(context, context.viewer))
}
