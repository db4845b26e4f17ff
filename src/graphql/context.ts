import type { EntityManager } from '@mikro-orm/postgresql'
import type { Admit } from '../access/admit.ts'
import { type MediaTokens, mediaTokenSeconds } from '../access/media-tokens.ts'
import type { Viewer } from '../access/tokens.ts'
import type { Connect } from '../connect.ts'
import type { EventHub } from '../events/hub.ts'
import type { SendDirect } from '../events/subscription-queue.ts'
import type { Queue } from '../queue/agenda.ts'
import type { Quota } from '../quota.ts'
import type { ResolveParts } from '../resolve/deliver.ts'
import type { StorageParts } from '../storages/draft.ts'
import type { AnnounceParts } from '../webhooks/announce.ts'
import type { SaveParts } from '../webhooks/save.ts'
import { createLoaders, type Loaders } from './loaders.ts'
import type { Present } from './present.ts'

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
  admit: Admit
  present: Present
  /** Seconds after which a quiet subscription tells that it is alive. */
  heartbeatSeconds: number
  resolve: ResolveParts
  /** What resolve links start with; without a slash at its end. */
  linksUrl: string
  /** Limits the subscriptions that are open at the same time. */
  subscriptions: Quota<'socket' | 'viewer' | 'project'>
}

/** What one operation works with; made alike for HTTP, SSE and WebSocket. */
export interface Context extends GraphqlParts {
  viewer: Viewer
  /** Reads of this operation, or of one event of a subscription. */
  loaders: Loaders
  /** Names the WebSocket that the operation came by; absent for HTTP. */
  socket?: string
  /** Of a subscription over WebSocket: sends a result, as JSON, past the stream if the client can take it. */
  sendDirect?: SendDirect
  /** Of a subscription with `sendDirect`: what it shares with equal subscriptions. */
  shared?: {
    /** Names who are shown the same of what they watch. */
    name: string
    /** What a value is shown as, in JSON; undefined when it cannot be shown without faults. */
    jsonOf: (value: object) => Promise<string | undefined>
  }
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

/**
 * A context for what several viewers with the same rights may be shown, with reads of its own. `isPersonal` tells afterwards
 * whether what was made with it depends on who the viewer is.
 */
export function createSharedContext(context: Context): { context: Context; isPersonal: () => boolean } {
  let personal = false
  const viewer = () => {
    personal = true
    return context.viewer
  }
  const em = context.em.fork()
  const loaders = createLoaders(em, (project) => issuer(context, viewer())(project))
  return {
    context: {
      ...context,
      em,
      loaders,
      get viewer() {
        return viewer()
      },
    },
    isPersonal: () => personal,
  }
}
