import type { S3Client } from '@aws-sdk/client-s3'
import { fieldsOf } from '../../unknown.ts'
import { skewThatMattersMs } from '../kit/server-clock.ts'

/**
 * Sends a request. If it fails and one of the `corrections` returns true, sends it again. Uses each correction at most once.
 */
export async function withCorrections<T>(
  send: () => Promise<T>,
  corrections: ((error: unknown) => boolean | Promise<boolean>)[],
): Promise<T> {
  const left = new Set(corrections)
  const isCorrectable = async (error: unknown) => {
    for (const correct of left) if (await correct(error)) return left.delete(correct)
    return false
  }
  for (;;) {
    try {
      return await send()
    } catch (error) {
      if (!(await isCorrectable(error))) throw error
    }
  }
}

/**
 * Whether the SDK has changed its clock offset since it was `usedMs`. The SDK keeps the offset of a wrong clock. When that
 * clock is set right, the storage refuses the next request, and the SDK takes the new offset from the refusal. But it retries
 * by itself only if the new offset is large.
 */
export const isCorrected = ({ config }: S3Client, usedMs: number): boolean =>
  Math.abs(config.systemClockOffset - usedMs) >= skewThatMattersMs

/**
 * Requests a new session if a refusal says that the current one has expired. Returns true if it got one. The SDK checks the
 * expiry by the clock of this machine, which may be slow.
 */
export async function renewSession({ config }: S3Client, error: unknown): Promise<boolean> {
  const { name } = fieldsOf<'name'>(error)
  if (name !== 'ExpiredToken' && name !== 'TokenRefreshRequired') return false
  const credentials = config.credentials
  const { sessionToken: used } = await credentials()
  const { sessionToken } = await credentials({ forceRefresh: true })
  return sessionToken !== undefined && sessionToken !== used
}
