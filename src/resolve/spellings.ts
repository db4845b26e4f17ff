import type { Connect } from '../connect.ts'
import { SluiceError } from '../errors.ts'
import { type PickedObject, uriIn } from './pick.ts'
import { percentDecoded } from './url-key.ts'
import { pickObject, type ResolveScope } from './url-mappings.ts'

/** Whether an object exists. Undefined if the storage does not say. */
export type Exists = (object: PickedObject) => Promise<boolean | undefined>

/**
 * The storage URI that leads to the object that a person means by `uri`: with the scheme of the storage, and with the key as it is
 * in the bucket. Spellings with different keys are looked up in the storage, at most four; one that cannot be looked up counts as
 * present if it is the decoded form. Null if no storage of the project serves any spelling.
 */
export async function workingUri(uri: string, scope: ResolveScope, exists: Exists): Promise<string | null> {
  const written = pickObject(uri, scope)
  const others = spellingsOf(uri).flatMap((spelling) => pickObject(spelling, { ...scope, httpsUrls: true }) ?? [])
  const objects = new Map<string, PickedObject>()
  for (const object of [...(written ? [written] : []), ...others]) {
    const name = uriIn(object.storage, object.key)
    if (!objects.has(name) && objects.size < 4) objects.set(name, object)
  }
  const [first] = objects.keys()
  if (objects.size <= 1) return first ?? null
  const found = await Promise.all([...objects].map(async ([name, object]) => ({ name, exists: await exists(object) })))
  const best = found.find((one) => one.exists) ?? found.slice(1).find((one) => one.exists === undefined)
  return best?.name ?? first!
}

/** Looks up an object by one request. */
export function lookUp(connect: Connect): Exists {
  return async ({ storage, key }) => {
    try {
      const provider = await connect(storage)
      try {
        await provider.head(key)
        return true
      } finally {
        provider.close()
      }
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error
      return error.code === 'OBJECT_MISSING' || error.hasNoBytes ? false : undefined
    }
  }
}

// Drivers of Hadoop, and other tools, for Azure: abfss://container@account.dfs.core.windows.net/key and az://container/key.
const azure = /^(?:abfss?|wasbs?):\/\/([^@/]+)@[^/]+\/|^(?:az|azure):\/\/([^/]+)\//i

/** Other spellings that people use for the same object. */
function spellingsOf(uri: string): string[] {
  const trimmed = uri.trim().replace(azure, (_all, a?: string, b?: string) => `azure-blob://${a ?? b}/`)
  // `s3:/bucket/key`, `s3:///bucket/key` and `s3://bucket//key`.
  const plain = [trimmed, trimmed.replace(/^(\w+):\/+(?=[^/])/, '$1://')]
  const keyed = plain.map((text) => text.replace(/^(\w[\w-]*:\/\/[^/]+)\/+/, '$1/'))
  const texts = [...plain, ...keyed]
  const decoded = texts.flatMap((text) => percentDecoded(text) ?? [])
  return [...texts, ...decoded, ...texts.flatMap((text) => percentDecoded(text.replaceAll('+', ' ')) ?? [])]
    .flatMap((text) => [text, text.replaceAll('&amp;', '&'), text.normalize('NFC'), text.normalize('NFD')])
    .filter((text) => text.isWellFormed() && !text.includes('\0'))
}
