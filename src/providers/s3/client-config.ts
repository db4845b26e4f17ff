import type { AgentOptions } from 'node:http'
import type { S3ClientConfig } from '@aws-sdk/client-s3'
import type { Egress } from '../../security/egress.ts'
import { type HandlerDeps, LimitedHandler } from './limited-handler.ts'
import type { S3Location } from './location.ts'

/**
 * Makes the SDK ignore endpoints in AWS_ENDPOINT_URL and in its configuration file. It would send credentials there that were
 * entered for AWS, or that only AWS hosts may receive. The endpoint of a storage comes from its settings only.
 */
export const ownEndpoints = { ignoreConfiguredEndpointUrls: true } as const

/**
 * Options of a client for `place` at `endpoint` (undefined: AWS), except region and credentials. `about` holds the clock and
 * the limits of the storage.
 */
export function clientConfig(
  place: S3Location,
  endpoint: string | undefined,
  egress: Egress,
  about?: HandlerDeps,
): S3ClientConfig {
  return {
    ...ownEndpoints,
    ...(endpoint && {
      endpoint,
      // Compatible services refuse the checksum trailers that the SDK sends by default.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      // Proxies in front of them do not answer `Expect: 100-continue`, which costs six seconds.
      expectContinueHeader: false,
    }),
    // Imports compare the checksum themselves. A client cannot interpret an SDK error at the end of a stream.
    responseChecksumValidation: 'WHEN_REQUIRED',
    forcePathStyle: place.addressing === 'AUTO' ? Boolean(endpoint) : place.addressing === 'PATH',
    maxAttempts: 4,
    requestHandler: requestHandler(egress, { keepAlive: true, maxSockets: 1_024 }, about),
  }
}

/** The transport of an SDK client. It does not follow redirects. */
export function requestHandler(egress: Egress, options: AgentOptions, about?: HandlerDeps): LimitedHandler {
  const agents = {
    httpAgent: egress.agent('http:', options),
    httpsAgent: egress.agent('https:', options),
  }
  return new LimitedHandler(agents, about)
}
