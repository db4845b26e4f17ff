import {
  BlobSASPermissions,
  type BlobSASSignatureValues,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
  type UserDelegationKey,
} from '@azure/storage-blob'
import { contentTypeOf } from '../content-type.ts'
import type { AzureLocation } from './location.ts'

/** Asks for a key to sign with; both ends in whole seconds. */
export type FetchDelegationKey = (startsOn: Date, expiresOn: Date) => Promise<UserDelegationKey>

const minuteMs = 60_000
// Clocks differ: Azure advises to begin a SAS 15 minutes in the past ("Best practices when using SAS").
const skewMs = 15 * minuteMs
// A delegation key lasts 7 days at most, counted by Azure's clock ("Get User Delegation Key").
const keyLifeMs = 7 * 24 * 60 * minuteMs - skewMs
const renewAfterMs = 60 * minuteMs
// The SDK's own is its newest, of which emulators and Azure Stack do not know how to check the signature.
const sasVersion = '2020-12-06'

/**
 * Keeps a delegation key for all URLs: asks again only when what is left of it is too short for the URL wanted, and then at
 * most once an hour. Calls at the same time share one request; a failed one is not kept. `clock` is the storage's time, in
 * milliseconds since 1970.
 */
export function delegationKeys(fetchKey: FetchDelegationKey, clock: () => number = Date.now) {
  let kept: { key: Promise<UserDelegationKey>; startsAt: number; askedAt: number; endsAt: number } | undefined
  return (ttlSeconds: number): Promise<UserDelegationKey> => {
    const now = clock()
    // A key from before a clock that was ahead was corrected begins in the future.
    const isValid = kept && now >= kept.startsAt && now < kept.endsAt
    if (isValid && (kept!.endsAt - now >= ttlSeconds * 1000 || now - kept!.askedAt < renewAfterMs)) return kept!.key
    const before = kept
    const [startsAt, endsAt] = [now - skewMs, now + keyLifeMs]
    const asked = { key: fetchKey(new Date(startsAt), new Date(endsAt)), startsAt, askedAt: now, endsAt }
    kept = asked
    asked.key.catch(() => {
      if (kept === asked) kept = before
    })
    return asked.key
  }
}

/**
 * The query of a URL that reads one blob for `ttlSeconds`, or as long as the delegation key lasts. The answer carries the
 * content type of the key's extension (`rsct`), so that browsers show what was uploaded without one, and may be kept by them as
 * long (`rscc`). `now` is the storage's time, in milliseconds since 1970.
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

/** When a SAS token ends by its own words ("Create a service SAS"), in milliseconds since 1970; undefined when it tells none. */
export function sasEnd(token: string): number | undefined {
  const end = Date.parse(new URLSearchParams(token).get('se') ?? '')
  return Number.isNaN(end) ? undefined : end
}
