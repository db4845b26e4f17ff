import type { PutObjectCommand, PutObjectCommandOutput, S3Client } from '@aws-sdk/client-s3'

type Handler = ReturnType<PutObjectCommand['resolveMiddleware']>

/**
 * Makes a function that sends PutObject. Building the SDK's middleware stack takes a tenth of the time of a small request, so
 * the function builds it once per abort signal. (The SDK's own `cacheMiddleware` only works for requests without a signal.)
 */
export function createPut(
  client: S3Client,
): (command: PutObjectCommand, signal?: AbortSignal) => Promise<PutObjectCommandOutput> {
  const handles = new WeakMap<AbortSignal, Handler>()
  return async (command, signal) => {
    if (!signal) return client.send(command)
    let handle = handles.get(signal)
    if (!handle) {
      handle = command.resolveMiddleware(client.middlewareStack, client.config, { abortSignal: signal })
      handles.set(signal, handle)
    }
    return (await handle(command)).output
  }
}
