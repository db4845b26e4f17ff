import type { IncomingMessage } from 'node:http'
import { startAzure } from '@sluice/testkit/azure.ts'
import type { SetFault } from '@sluice/testkit/faults.ts'
import { startGcs } from '@sluice/testkit/gcs.ts'
import type { GcsRequest } from '@sluice/testkit/gcs-faults.ts'
import { startS3 } from '@sluice/testkit/s3.ts'
import type { S3Request } from '@sluice/testkit/s3-front.ts'
import { onTestFinished } from 'vitest'
import type { ErrorCode } from '../../src/errors.ts'
import type { Provider } from '../../src/providers/provider.ts'
import * as azurePlace from './azure-place.ts'
import * as gcsPlace from './gcs-place.ts'
import * as s3Place from './s3-place.ts'

/** What a server does to a request. `name` is the error in the form of the service. */
export type HttpFault =
  | { status: number; name?: string }
  | { answer: { status: number; headers?: Record<string, string>; body: string } }
  | { reset: true }
  | { cutAfterBytes: number }
  | { hold: true }

export type Operation = 'read' | 'list' | 'write' | 'remove'

/** A bucket, and how to make its requests fail: all of them, or the next one of an operation. */
interface FaultyPlace {
  provider: Provider
  fail(fault: HttpFault, on?: { operation?: Operation; times?: number }): SetFault<unknown>
}

/** A running server of a kind of storage. */
export interface FaultyServer {
  /** Its port, which speaks plain HTTP. */
  port: number
  connect(objects?: Record<string, string>): Promise<FaultyPlace>
  stop(): Promise<unknown>
}

/** A kind of storage whose service speaks HTTP, and what its errors mean. */
export interface FaultyKind {
  name: string
  start(): Promise<FaultyServer>
  /** Opens a bucket of a server at this origin, such as `http://127.0.0.1:9000`. */
  openAt(origin: string): Promise<Provider>
  /** Errors of the service that a retry does not change. */
  refusals: { status: number; name: string; code: ErrorCode }[]
  /** Errors that can pass, and their code if they do not. Answers to `unnamedIn` do not name the error. */
  transient: { what: string; fault: HttpFault; code: ErrorCode; unnamedIn?: Operation[] }[]
  /** Answers of servers that are no such service, besides web pages. */
  foreign: { what: string; status: number; body: string }[]
}

/** The fault as services take it that name errors by a code. */
const withCode = (fault: HttpFault) =>
  'status' in fault ? { status: fault.status, code: fault.name ?? 'InternalError' } : fault

const s3: FaultyKind = {
  name: 'S3',
  async start() {
    const server = await startS3()
    const operations: Record<Operation, string> = {
      read: 'GetObject',
      list: 'ListObjectsV2',
      write: 'PutObject',
      remove: 'DeleteObject',
    }
    return {
      port: Number(new URL(server.endpoint).port),
      async connect(objects = {}) {
        const { front, provider } = await s3Place.fronted(server, { objects })
        return {
          provider,
          fail: (fault, { operation, times = 1 } = {}) =>
            front.fail({
              ...withCode(fault),
              times,
              ...(operation && { match: (request: S3Request) => request.operation === operations[operation] }),
            }),
        }
      },
      stop: () => server.stop(),
    }
  },
  openAt: (origin) => s3Place.open({ bucket: 'bucket', endpoint: origin }),
  refusals: [
    { status: 403, name: 'AccessDenied', code: 'DENIED' },
    { status: 403, name: 'SomethingOfTheirOwn', code: 'DENIED' },
    { status: 403, name: 'InvalidObjectState', code: 'ARCHIVED' },
    { status: 400, name: 'ExpiredToken', code: 'BAD_CREDENTIALS' },
    { status: 400, name: 'AuthorizationHeaderMalformed', code: 'WRONG_REGION' },
    { status: 301, name: 'PermanentRedirect', code: 'WRONG_REGION' },
    { status: 400, name: 'SomethingOfTheirOwn', code: 'UNEXPECTED_ANSWER' },
  ],
  transient: [
    { what: '503 SlowDown', fault: { status: 503, name: 'SlowDown' }, code: 'THROTTLED' },
    { what: '429 TooManyRequests', fault: { status: 429, name: 'TooManyRequests' }, code: 'THROTTLED' },
    { what: '500 InternalError', fault: { status: 500, name: 'InternalError' }, code: 'UNREACHABLE' },
  ],
  foreign: [],
}

const gcs: FaultyKind = {
  name: 'GCS',
  async start() {
    const server = await startGcs()
    const operations: Record<Operation, string> = {
      read: 'media',
      list: 'objects.list',
      write: 'objects.create',
      remove: 'objects.delete',
    }
    return {
      port: server.port,
      async connect(objects = {}) {
        const { provider } = await gcsPlace.bucketOn(server, { objects })
        return {
          provider,
          fail(fault, { operation, times = 1 } = {}) {
            const match = (request: GcsRequest) =>
              operation ? request.operation === operations[operation] : request.operation !== 'token'
            const reason = 'status' in fault && fault.name ? { reason: fault.name } : {}
            const set = server.fail({
              ...('status' in fault ? { status: fault.status, ...reason } : fault),
              times,
              match,
            })
            onTestFinished(() => set.release())
            return set
          },
        }
      },
      stop: () => server.stop(),
    }
  },
  openAt: (origin) => gcsPlace.open({ bucket: 'bucket', endpoint: origin, anonymous: true }),
  refusals: [
    { status: 403, name: 'forbidden', code: 'DENIED' },
    { status: 403, name: 'somethingOfTheirOwn', code: 'DENIED' },
    { status: 401, name: 'authError', code: 'BAD_CREDENTIALS' },
    { status: 412, name: 'conditionNotMet', code: 'PRECONDITION_FAILED' },
    { status: 400, name: 'invalid', code: 'UNEXPECTED_ANSWER' },
  ],
  transient: [
    { what: '503', fault: { status: 503 }, code: 'THROTTLED' },
    { what: '500', fault: { status: 500 }, code: 'UNREACHABLE' },
    { what: '429', fault: { status: 429, name: 'rateLimitExceeded' }, code: 'THROTTLED' },
    { what: '429 without a reason', fault: { status: 429 }, code: 'THROTTLED' },
    {
      what: '403 rateLimitExceeded',
      fault: { status: 403, name: 'rateLimitExceeded' },
      code: 'THROTTLED',
      // The answer to a request for bytes is text.
      unnamedIn: ['read'],
    },
    { what: '408', fault: { status: 408 }, code: 'TIMEOUT' },
  ],
  foreign: [
    { what: 'another API', status: 403, body: '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>' },
    { what: 'text', status: 200, body: 'It works!' },
  ],
}

const azureBlob: FaultyKind = {
  name: 'Azure Blob',
  async start() {
    const server = await startAzure()
    const isOf: Record<Operation, (request: IncomingMessage) => boolean> = {
      read: ({ method, url }) => method === 'GET' && !url!.includes('comp=list'),
      list: ({ url }) => url!.includes('comp=list'),
      write: ({ method }) => method === 'PUT',
      remove: ({ method }) => method === 'DELETE',
    }
    return {
      port: Number(new URL(server.endpoint).port),
      async connect(objects = {}) {
        const { front, provider } = await azurePlace.fronted(server, objects)
        return {
          provider,
          fail: (fault, { operation, times = 1 } = {}) =>
            front.fail({
              ...withCode(fault),
              times,
              ...(operation && { match: isOf[operation] }),
            }),
        }
      },
      stop: () => server.stop(),
    }
  },
  openAt: (origin) =>
    azurePlace.open(
      { account: 'account', container: 'container', endpoint: `${origin}/account` },
      { accountKey: Buffer.from('a key').toString('base64') },
    ),
  refusals: [
    { status: 403, name: 'AuthenticationFailed', code: 'BAD_CREDENTIALS' },
    { status: 400, name: 'InvalidAuthenticationInfo', code: 'BAD_CREDENTIALS' },
    { status: 403, name: 'AuthorizationFailure', code: 'DENIED' },
    { status: 403, name: 'AuthorizationPermissionMismatch', code: 'DENIED' },
    { status: 403, name: 'AuthorizationSourceIPMismatch', code: 'DENIED' },
    { status: 403, name: 'InsufficientAccountPermissions', code: 'DENIED' },
    { status: 403, name: 'KeyBasedAuthenticationNotPermitted', code: 'DENIED' },
    { status: 409, name: 'PublicAccessNotPermitted', code: 'DENIED' },
    { status: 409, name: 'BlobArchived', code: 'ARCHIVED' },
    { status: 409, name: 'BlobBeingRehydrated', code: 'ARCHIVED' },
    { status: 412, name: 'LeaseIdMissing', code: 'DENIED' },
    { status: 404, name: 'ContainerNotFound', code: 'NO_SUCH_BUCKET' },
    { status: 409, name: 'ContainerBeingDeleted', code: 'NO_SUCH_BUCKET' },
    { status: 400, name: 'SomethingOfTheirOwn', code: 'UNEXPECTED_ANSWER' },
  ],
  transient: [
    { what: '503 ServerBusy', fault: { status: 503, name: 'ServerBusy' }, code: 'THROTTLED' },
    { what: '429 TooManyRequests', fault: { status: 429, name: 'TooManyRequests' }, code: 'THROTTLED' },
    { what: '500 InternalError', fault: { status: 500, name: 'InternalError' }, code: 'UNREACHABLE' },
    { what: '500 OperationTimedOut', fault: { status: 500, name: 'OperationTimedOut' }, code: 'UNREACHABLE' },
    { what: '502 of a proxy', fault: { answer: { status: 502, body: '' } }, code: 'UNREACHABLE' },
  ],
  foreign: [],
}

/** The kinds whose service speaks HTTP. */
export const httpKinds: FaultyKind[] = [s3, gcs, azureBlob]
