import type { AgentOptions, Agent as HttpAgent } from 'node:http'
import type { Agent as HttpsAgent } from 'node:https'
import type { S3ClientConfig } from '@aws-sdk/client-s3'
import type { Egress } from '../../security/egress.ts'
import { type HandlerDeps, LimitedHandler } from './limited-handler.ts'
import type { S3Location } from './location.ts'

/**
 * The SDK takes an endpoint from AWS_ENDPOINT_URL and from its configuration file, too. Credentials would be sent there that were
 * entered for AWS, or that only the hosts of AWS may get. A person enters the endpoint of a storage.
 */
export const ownEndpoints = { ignoreConfiguredEndpointUrls: true } as const

/** How to speak to `place` at `endpoint` (undefined: AWS): all but the region and the credentials. `about` is told of requests and responses. */
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
      // Compatible services refuse the checksum trailers that AWS wants by default,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      // and proxies before them leave `Expect: 100-continue` unanswered, which costs six seconds.
      expectContinueHeader: false,
    }),
    // Who imports a body compares its checksum. The SDK's error at the end of a stream would say nothing to a client.
    responseChecksumValidation: 'WHEN_REQUIRED',
    forcePathStyle: place.addressing === 'AUTO' ? Boolean(endpoint) : place.addressing === 'PATH',
    maxAttempts: 4,
    requestHandler: requestHandler(egress, { keepAlive: true, maxSockets: 1_024 }, about),
  }
}

/** Sends the requests of an SDK client. It follows no redirect. */
export function requestHandler(egress: Egress, options: AgentOptions, about?: HandlerDeps): LimitedHandler {
  const agents = {
    httpAgent: egress.agent('http:', options) as HttpAgent,
    httpsAgent: egress.agent('https:', options) as HttpsAgent,
  }
  return new LimitedHandler(agents, about)
}
