import {
  BlobSASPermissions,
  type BlobSASSignatureValues,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
  type UserDelegationKey,
} from '@azure/storage-blob'
import { contentTypeOf } from '../content-type.ts'
import type { AzureLocation } from './location.ts'

/** Requests a delegation key. Azure counts both times in whole seconds. */
type FetchDelegationKey = (startsOn: Date, expiresOn: Date) => Promise<UserDelegationKey>

const minuteMs = 60_000
// Clocks differ, so Azure recommends that a SAS starts 15 minutes in the past ("Best practices when using SAS").
const skewMs = 15 * minuteMs
// A delegation key is valid for at most 7 days, by Azure's clock ("Get User Delegation Key").
const keyLifeMs = 7 * 24 * 60 * minuteMs - skewMs
const renewAfterMs = 60 * minuteMs
// The SDK would use the newest version, whose signatures emulators and Azure Stack cannot check.
const sasVersion = '2020-12-06'

/**
 * Caches a delegation key for all URLs. Requests a new key only if the cached one expires before the URL would, and then at
 * most once an hour. Concurrent calls share a request. A failed request is not cached. `clock` returns the storage's time, in
 * milliseconds since 1970.
 */
export function delegationKeys(fetchKey: FetchDelegationKey, clock: () => number = Date.now) {
  let cached: { key: Promise<UserDelegationKey>; startsAt: number; askedAt: number; endsAt: number } | undefined
  return (ttlSeconds: number): Promise<UserDelegationKey> => {
    const now = clock()
    // If the clock was fast and has been corrected, an older key starts in the future.
    const isValid = cached && now >= cached.startsAt && now < cached.endsAt
    if (isValid && (cached!.endsAt - now >= ttlSeconds * 1000 || now - cached!.askedAt < renewAfterMs))
      return cached!.key
    const previous = cached
    const [startsAt, endsAt] = [now - skewMs, now + keyLifeMs]
    const requested = { key: fetchKey(new Date(startsAt), new Date(endsAt)), startsAt, askedAt: now, endsAt }
    cached = requested
    requested.key.catch(() => {
      if (cached === requested) cached = previous
    })
    return requested.key
  }
}

/**
 * The query of a presigned URL for one blob. It is valid for `ttlSeconds`, or until the delegation key expires. The response
 * has the content type of the key's extension (`rsct`), so that browsers show blobs that were uploaded without one. Browsers
 * may cache it for `ttlSeconds` (`rscc`). `now` is the storage's time, in milliseconds since 1970.
 */
export function signRead(
  place: AzureLocation,
  { key, ttlSeconds, now }: { key: string; ttlSeconds: number; now: number },
  signer: { accountKey: string } | { delegationKey: UserDelegationKey },
): string {
  const ends = now + ttlSeconds * 1000
  const contentType = contentTypeOf(key)
  const values: BlobSASSignatureValues = {
    version: sasVersion,
    containerName: place.container,
    blobName: key,
    permissions: BlobSASPermissions.parse('r'),
    expiresOn: new Date(ends),
    cacheControl: `private, max-age=${ttlSeconds}`,
    ...(contentType && { contentType }),
  }
  if ('accountKey' in signer) {
    const credential = new StorageSharedKeyCredential(place.account, signer.accountKey)
    return generateBlobSASQueryParameters(values, credential).toString()
  }
  const { delegationKey } = signer
  values.expiresOn = new Date(Math.min(ends, delegationKey.signedExpiresOn.getTime()))
  return generateBlobSASQueryParameters(values, delegationKey, place.account).toString()
}

/** The expiry in a SAS token (`se`, "Create a service SAS"), in milliseconds since 1970. Undefined if it has none. */
export function sasEnd(token: string): number | undefined {
  const end = Date.parse(new URLSearchParams(token).get('se') ?? '')
  return Number.isNaN(end) ? undefined : end
}
