import type { Readable } from 'node:stream'
import type { z } from 'zod'
import type { ErrorCode, FieldError, SluiceError } from '../errors.ts'
import type { Egress } from '../security/egress.ts'
import { type EgressTarget, targetOf } from '../security/egress-policy.ts'
import type { AmbientRequest } from './ambient.ts'
import type { BoundParts } from './binding.ts'
import type { Checksum } from './checksum.ts'
import type { Pace } from './pace.ts'
import type { WebAddress } from './web-address.ts'

/** An object in a listing. */
export interface ObjectInfo {
  /** The full name in the bucket, exactly as stored. */
  key: string
  /** Bytes. */
  size: number
  /** Identifies the version of the object, in the format of the provider. Null if the provider has no versions. */
  etag: string | null
  lastModified: Date | null
  /** Why the object cannot be imported, if the listing shows a reason: WRONG_TYPE or DENIED. */
  fault?: SluiceError
}

/** A folder that could not be listed, or an object that could not be examined. Its content is unknown, not missing. */
export interface ListGap {
  /** The key. That of a folder ends in `/`. */
  key: string
  error: SluiceError
}

/** One page of a listing. */
export interface ListPage {
  /** Includes folder markers. In ascending byte order of keys if the provider is `ordered`, otherwise in any order. */
  objects: ObjectInfo[]
  /** Continues after this page. It can be stored, and is valid in other processes and after a crash. Null on the last page. */
  cursor: string | null
  /** Gaps in this part of the listing. Absent if this part has no gaps. A later page may repeat a gap. */
  gaps?: ListGap[]
}

/**
 * A byte range (RFC 9110 §14.1.2): from `start` to `end`, both inclusive, or to the end of the object, or its last `suffix`
 * bytes.
 */
export type ByteRange = { start: number; end?: number } | { suffix: number }

/** The result of a read. The caller owns `body` and must consume or destroy it. */
export interface ObjectBody {
  body: Readable
  /** Bytes in `body`. */
  length: number
  /** Bytes of the whole object. */
  size: number
  /** The part of the object that `body` contains, both ends inclusive. Absent if it is the whole object. */
  range?: { start: number; end: number }
  etag: string | null
  lastModified: Date | null
  contentType: string | null
  /** The content encoding of the stored bytes (RFC 9110 §8.4), for example `gzip`. Absent if they are not encoded. */
  contentEncoding?: string
  /**
   * The checksum that the storage gives for the stored bytes of the whole object. Absent or undefined if it gives none. The
   * reader compares it if needed, so streams to clients are not slowed down.
   */
  checksum?(): Checksum | undefined
}

/** Metadata of an object. */
export type ObjectHead = Pick<ObjectBody, 'size' | 'etag' | 'lastModified' | 'contentType' | 'contentEncoding'>

/**
 * An open storage location. Methods retry throttling and 5xx responses with jittered backoff. Then they reject with a
 * SluiceError; its code distinguishes missing (OBJECT_MISSING), denied (DENIED, BAD_CREDENTIALS), unreachable (UNREACHABLE and
 * similar codes) and throttled (THROTTLED). Its cause is the error of the SDK. When `signal` aborts, a method rejects with the
 * signal's reason and frees its socket.
 */
export interface Provider {
  /**
   * Listings are in ascending order of the UTF-8 bytes of the keys, within a page and across pages, recursive or not. Absent if
   * the storage does not promise this order. The promise is from the cloud's documentation. A compatible server may break it
   * (docs/servers.md), so a caller that would lose data must check the order of the keys.
   */
  readonly ordered?: true
  /** Listings are roughly in byte order of the keys. A listing that repeatedly goes back will therefore never end. */
  readonly ascends?: true
  /**
   * Cursors are keys and hold nothing else. A listing can start after any string, even if no such key exists, and returns the
   * objects whose keys are greater in byte order. So several ranges of a location can be listed at the same time. The string
   * must be non-empty, well-formed, without U+0000 and at most 1,024 bytes long. The cursor of a page is at least the page's
   * last key, and less than the next key. Implies `ordered`.
   */
  readonly keyCursor?: true
  /** Resolves if the storage can be reached, accepts the credentials and permits listing the bucket. */
  check(signal?: AbortSignal): Promise<void>
  /**
   * Lists at most `limit` (≤ 1,000) objects under the location's prefix: all levels, or one level with `recursive: false`. A
   * key that is not text is listed as `textOfKey` returns it; such an object cannot be read or written. Rejects if nothing can
   * be listed. A part that cannot be listed is a gap.
   */
  list(options: {
    cursor: string | null
    limit: number
    recursive: boolean
    signal?: AbortSignal | undefined
  }): Promise<ListPage>
  /**
   * Opens an object, or a range of it, as a stream. Rejects with PRECONDITION_FAILED if the etag of the object is not
   * `ifMatch`, and with RANGE_UNSATISFIABLE if the range starts after the end.
   */
  read(
    key: string,
    options?: { range?: ByteRange | undefined; ifMatch?: string | undefined; signal?: AbortSignal | undefined },
  ): Promise<ObjectBody>
  /** Returns the metadata that `read` would return, without opening the object. */
  head(key: string, signal?: AbortSignal): Promise<ObjectHead>
  /** Creates or replaces an object. Resolves when the storage has acknowledged it. */
  write(key: string, body: Buffer, options?: { contentType?: string; signal?: AbortSignal | undefined }): Promise<void>
  /** Removes an object. Resolves, too, if it does not exist. */
  remove(key: string, signal?: AbortSignal): Promise<void>
  /** Creates a presigned URL that is valid for `ttlSeconds`. Absent if the provider cannot presign. */
  presign?(key: string, options: { ttlSeconds: number }): Promise<URL>
  /**
   * Sends a small request and returns the time in its response, to the second. Undefined if the response has none. Absent if
   * the clock of the storage does not matter.
   */
  serverTime?(signal?: AbortSignal): Promise<Date | undefined>
  /** Why no object with this key can be read or written. Undefined if it can. Listings may contain such keys. */
  refusesKey?(key: string): 'KEY_HAS_DOT_SEGMENTS' | undefined
  /** Frees sockets. No method may be called afterwards. */
  close(): void
}

/** What a provider gets from its process. */
export interface ProviderEnvironment {
  /** Opens every connection to a host that a location or secret names. */
  egress: Egress
  /** The folder that contains all local storages. Undefined if local storages are not allowed. */
  localFilesRoot?: string | undefined
  /** Request and byte limits of the storage. Absent if it has none. Every request to the storage waits for it. */
  pace?: Pace
}

/**
 * What storages of one kind promise beyond `Provider`, and what they cannot do. The conformance checks use it. Keys are named
 * as in `hostileKeys` of packages/testkit.
 */
export interface KindAbilities {
  /** The order of listings. */
  keyOrder: 'bytes' | 'any'
  /** Whether a listing can start after any string. */
  keyCursor: boolean
  /** Whether the prefix of a location selects the keys that start with it, or the content of a folder. */
  prefix: 'literal' | 'folder'
  /** Whether a key can end in `/`. */
  folderMarkers: boolean
  /** The source of an object's content type. */
  contentType: 'as written' | 'from the name'
  /** Whether writes carry a checksum of their body that the server must compare. Default: false. */
  checksums?: boolean
  /** Whether objects have an etag and a modification time. Default: true. */
  versions?: boolean
  /** Keys that the storage cannot hold, with the reasons. */
  cannotHold: Record<string, string>
  /** Keys that a URL cannot contain, with the reasons. */
  cannotPresign: Record<string, string>
  /** Whether the storage can hold a generated key (the part after the base). Absent if it can hold every key. */
  holds?(key: string): boolean
}

/**
 * The longest key that a storage accepts. Counts UTF-8 bytes or UTF-16 code units, of the whole key or of each path segment.
 */
interface KeyLimit {
  max: number
  unit: 'bytes' | 'characters'
  per: 'key' | 'segment'
}

/** How a form shows a field. Stored in the metadata of the zod schema. */
export interface FieldMeta {
  title: string
  description: string
  placeholder?: string
  /** The meaning of each value of an enum. Required for enums. */
  choices?: Record<string, string>
}

/**
 * A kind of storage: its form, its checks and how to open it. The field schemas are the single source of the GraphQL inputs
 * and objects, the input checks and the forms of clients, so every field carries a `FieldMeta`.
 */
export interface ProviderKind<Location extends z.ZodObject = z.ZodObject, Secrets extends z.ZodObject = z.ZodObject> {
  title: string
  /** GraphQL name of its location type, such as `S3Location`, and of its input field, such as `s3`. */
  typeName: string
  inputName: string
  uriScheme: string
  /** Other schemes that tools use for the same storage. */
  uriAliases?: readonly string[]
  canPresign: boolean
  /** Whether a moved or copied object has the etag of the original. */
  copyKeepsEtag?: true
  abilities: KindAbilities
  /** The limit for keys that exports write. Null if there is no limit. */
  keyLimit: KeyLimit | null
  location: Location
  secrets: Secrets
  /**
   * The fields of a location that decide where secrets are sent. Secrets are bound to them. Empty for a kind without secrets.
   */
  boundTo: BoundParts<z.infer<Location>>
  /** Secrets that replace each other. A new value for a secret clears the listed ones, unless they are given, too. */
  supersedes?: Record<string, string[]>
  /** Secrets that need others. Replacing or clearing a listed secret clears the dependent one, unless it is given, too. */
  dependsOn?: Record<string, string[]>
  /** Checks that involve several fields. Paths of the errors are field names. */
  crossCheck?(location: z.infer<Location>, secrets: z.infer<Secrets>): FieldError[]
  /** Why this location cannot be an export target. Undefined if it can. Absent if every location can. */
  refuseTarget?(location: z.infer<Location>): SluiceError | undefined
  /**
   * The request of a storage without complete credentials to use the server's identity. Undefined if the storage has
   * credentials or is anonymous. Absent for a kind for which the server has no identity.
   */
  ambient?(location: z.infer<Location>, secrets: z.infer<Secrets>): AmbientRequest | undefined
  /** The hosts that the server will connect to because a person entered them. Excludes the built-in hosts of the cloud. */
  targets(location: z.infer<Location>, secrets: z.infer<Secrets>): EgressTarget[]
  /**
   * Whether requests may contain keys with `.` or `..` segments. True if nothing between Sluice and the storage resolves them
   * as a path. This holds for the cloud's own hosts.
   */
  sendsDotSegments(location: z.infer<Location>): boolean
  /** The error code of the storage for reading an archived object. Absent if the kind has no archive. */
  archivedCode?: string
  /** Advice for errors of this kind. It replaces the general advice. */
  hints?: Partial<Record<ErrorCode, string>>
  /** The CORS rule that lets browsers fetch presigned URLs from other origins. Absent if the kind has none. */
  corsRule?: string
  /** The parts that show whether two storages are the same or overlap: the address and the prefix. */
  place(location: z.infer<Location>): { endpoint: string; bucket: string; prefix: string }
  /** The http(s) addresses of objects. Absent for a kind whose objects have none. */
  addresses?: {
    /** Every address has one of these texts in its host, in any case. */
    hosts(location: z.infer<Location>): string[]
    /** The key, still percent-encoded, in the address of an object in this bucket or container. Undefined for other addresses. */
    encodedKeyIn(location: z.infer<Location>, address: WebAddress): string | undefined
  }
  /** Opens the location. The first call loads the SDK. Sends no request, so network errors appear in the first method call. */
  open(location: z.infer<Location>, secrets: z.infer<Secrets>, environment: ProviderEnvironment): Promise<Provider>
}

/** The hosts of URLs. Ignores undefined and invalid URLs. */
export function targetsOf(...urls: (string | undefined)[]): EgressTarget[] {
  return urls.flatMap((text) => (text && URL.canParse(text) ? [targetOf(new URL(text))] : []))
}

/** Checks a kind against its exact types, and returns it with the general types of the registry. */
export function defineProvider<L extends z.ZodObject, S extends z.ZodObject>(kind: ProviderKind<L, S>): ProviderKind {
  return kind as unknown as ProviderKind
}
