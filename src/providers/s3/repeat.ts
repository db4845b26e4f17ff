import type { S3Client } from '@aws-sdk/client-s3'
import { skewThatMattersMs } from '../kit/server-clock.ts'

/** Sends a request, and again whenever one of the `corrections` takes what was wrong from the refusal: each of them once at most. */
export async function repeat<T>(
  send: () => Promise<T>,
  corrections: ((error: unknown) => boolean | Promise<boolean>)[],
): Promise<T> {
  const left = new Set(corrections)
  const isMended = async (error: unknown) => {
    for (const correct of left) if (await correct(error)) return left.delete(correct)
    return false
  }
  for (;;) {
    try {
      return await send()
    } catch (error) {
      if (!(await isMended(error))) throw error
    }
  }
}

/**
 * Whether the SDK has corrected the time that it signs with since `usedMs` was its offset. It retains the offset of a wrong clock.
 * When that clock is corrected, the next request is refused, and the SDK takes the new offset from the refusal; but it repeats the
 * request itself only if the new offset is large.
 */
export const isCorrected = ({ config }: S3Client, usedMs: number): boolean =>
  Math.abs(config.systemClockOffset - usedMs) >= skewThatMattersMs

/** A provider of credentials as the SDK caches it. */
type CachedCredentials = (options?: { forceRefresh?: boolean }) => Promise<{ sessionToken?: string }>

/**
 * Asks for another session if a refusal says that this one has expired. True if there is another. The SDK judges the end of a
 * session by the clock of this machine, which may be behind.
 */
export async function renewSession({ config }: S3Client, error: unknown): Promise<boolean> {
  const { name } = (error ?? {}) as Error
  if (name !== 'ExpiredToken' && name !== 'TokenRefreshRequired') return false
  const credentials = config.credentials as CachedCredentials
  const { sessionToken: used } = await credentials()
  const { sessionToken } = await credentials({ forceRefresh: true })
  return sessionToken !== undefined && sessionToken !== used
}
