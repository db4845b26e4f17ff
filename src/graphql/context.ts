import type { EntityManager } from '@mikro-orm/postgresql'
import type { Authorize } from '../access/authorize.ts'
import type { MediaTokens } from '../access/media-tokens.ts'
import type { Viewer } from '../access/tokens.ts'
import type { Connect } from '../connect.ts'
import type { EventHub } from '../events/hub.ts'
import type { SendDirect } from '../events/subscription-queue.ts'
import type { Queue } from '../queue/agenda.ts'
import type { Quota } from '../quota.ts'
import type { DeliveryDeps } from '../resolve/deliver.ts'
import type { StorageDeps } from '../storages/draft.ts'
import type { AnnounceParts } from '../webhooks/announce.ts'
import type { SaveParts } from '../webhooks/save.ts'
import { createLoaders, type IssueMediaToken, type Loaders } from './loaders.ts'
import type { Snapshots } from './snapshots.ts'

/** The parts of the application that resolvers call. */
interface ContextDeps {
  em: EntityManager
  queue: Queue
  events: EventHub
  connect: Connect
  storages: StorageDeps
  webhooks: SaveParts & AnnounceParts
  /** Requeues or ends runs of the project that no worker processes any more, so that the next read is true. Never rejects. */
  sweep: (project: number) => Promise<void>
  /** Minimum seconds between two syncs of a schedule. */
  scheduleMinSeconds: number
  mediaTokens: MediaTokens
  authorize: Authorize
  snapshots: Snapshots
  /** Seconds without an event after which a subscription sends a heartbeat. */
  heartbeatSeconds: number
  resolve: DeliveryDeps
  /** Start of resolve links, without a trailing slash. */
  linksUrl: string
  /** Limits the subscriptions that are open at the same time. */
  subscriptions: Quota<'socket' | 'viewer' | 'project'>
}

/** Context of one operation, over HTTP, SSE or WebSocket. */
export interface Context extends ContextDeps {
  viewer: Viewer
  /** Batched reads of this operation, or of one event of a subscription. */
  loaders: Loaders
  /** Id of the WebSocket that carries the operation. Absent for HTTP. */
  socket?: string
  /** For subscriptions over WebSocket: sends a result (JSON) directly. Returns false if the client is too slow. */
  sendDirect?: SendDirect
  /** For subscriptions with `sendDirect`: shared by equal subscriptions. */
  shared?: {
    /** Equal for subscriptions that render events in the same way. */
    name: string
    /** The response for a value, as JSON. Undefined if the response contains errors. */
    jsonOf: (value: object) => Promise<string | undefined>
  }
}

/** Creates a context with its own loaders. */
export function createContext(deps: ContextDeps, viewer: Viewer): Context {
  const em = deps.em.fork()
  return { ...deps, em, viewer, loaders: createLoaders(em, issuer(deps, viewer)) }
}

const issuer =
  ({ mediaTokens }: ContextDeps, viewer: Viewer): IssueMediaToken =>
  (options) =>
    mediaTokens.issue(viewer, options)

/**
 * Creates a context for a response that viewers with the same rights can share. It has its own loaders. Afterwards,
 * `isPersonal` returns true if the response depends on the viewer.
 */
export function createSharedContext(context: Context): { context: Context; isPersonal: () => boolean } {
  let personal = false
  const viewer = () => {
    personal = true
    return context.viewer
  }
  const em = context.em.fork()
  const loaders = createLoaders(em, (options) => issuer(context, viewer())(options))
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
