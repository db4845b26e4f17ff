import type { Readable } from 'node:stream'
import type { z } from 'zod'
import type { ErrorCode, FieldError, SluiceError } from '../errors.ts'
import type { Egress } from '../security/egress.ts'
import { type EgressTarget, targetOf } from '../security/egress-policy.ts'
import type { AmbientRequest } from './ambient.ts'
import type { BoundParts } from './binding.ts'
import type { Checksum } from './checksum.ts'
import type { Pace } from './pace.ts'

/** What a listing tells about one object. */
export interface ObjectInfo {
  /** The full name inside the bucket: opaque, exactly as stored. */
  key: string
  /** Bytes. */
  size: number
  /** Opaque version mark, as the provider gives it; null when there is none. */
  etag: string | null
  lastModified: Date | null
  /** Why nothing can be imported from it, as the listing shows: WRONG_TYPE or DENIED. Absent for an ordinary object. */
  fault?: SluiceError
}

/** A folder that could not be listed, or an object that could not be looked at: what is there is unknown, not missing. */
export interface ListGap {
  /** The key, of a folder with its `/`. */
  key: string
  error: SluiceError
}

/** One page of a listing. */
export interface ListPage {
  /** In ascending byte order of keys where the provider is `ordered`, else in its own order; folder markers included. */
  objects: ObjectInfo[]
  /** Continues after this page: safe to store, valid in another process and after a crash. Null after the last page. */
  cursor: string | null
  /** Gaps between the objects of the page; absent where there are none. A gap may come again on a later page. */
  gaps?: ListGap[]
}

/** A range of bytes as in RFC 9110 §14.1.2: both ends inclusive, or open-ended, or the last `suffix` bytes. */
export type ByteRange = { start: number; end?: number } | { suffix: number }

/** The answer to a read. The caller owns `body`: it must be consumed or destroyed. */
export interface ObjectBody {
  body: Readable
  /** Bytes in `body`. */
  length: number
  /** Bytes of the whole object. */
  size: number
  /** What part of the object `body` is; absent for all of it. */
  range?: { start: number; end: number }
  etag: string | null
  lastModified: Date | null
  contentType: string | null
  /** How the stored bytes are encoded (RFC 9110 §8.4), such as `gzip`; absent where they are as they are. */
  contentEncoding?: string
  /**
   * The checksum of the stored bytes of the whole object, as the storage gave it; absent or undefined where it gives none. The
   * reader compares: streams to clients are not slowed down by it.
   */
  checksum?(): Checksum | undefined
}

/** What is known of an object without its bytes. */
export type ObjectHead = Pick<ObjectBody, 'size' | 'etag' | 'lastModified' | 'contentType' | 'contentEncoding'>

/**
 * An open place in one kind of storage. Every method rejects with a SluiceError whose code tells missing (OBJECT_MISSING),
 * denied (DENIED, BAD_CREDENTIALS), unreachable (UNREACHABLE and the like) and throttled (THROTTLED) apart; the SDK's own
 * error is its cause. Throttling and 5xx answers have been retried with jittered backoff before that. When `signal`
 * aborts, the method rejects with the signal's reason and the socket is freed.
 */
export interface Provider {
  /**
   * Objects come in ascending order of the UTF-8 bytes of their keys, within a page and from page to page, recursively or not.
   * Absent where the storage promises no such order. The promise is that of the cloud's documentation; a server that only
   * speaks its API may break it (docs/servers.md), so who would lose data by that compares the keys that come.
   */
  readonly ordered?: true
  /** Keys come in about the order of their bytes: enough to tell that a listing which keeps falling back will never end. */
  readonly ascends?: true
  /**
   * Cursors are keys: a listing may start after any string, whether it ever was a key or not, and gives the objects whose keys
   * are greater in byte order; nothing else is kept in a cursor. So one place can be listed in several ranges at once, each
   * from where another ends. The string is not empty, well-formed, without U+0000 and of at most 1,024 bytes. The cursor
   * of a page is not less than the page's last key, and less than the next key. Implies `ordered`.
   */
  readonly keyCursor?: true
  /** Resolves if the place can be reached, the credentials are accepted and the bucket may be listed. */
  check(signal?: AbortSignal): Promise<void>
  /**
   * Keys that are not text are listed as `textOfKey` gives them; nothing can be read from or written to them. Rejects if the
   * place as a whole cannot be listed; parts that cannot are gaps.
   * At most `limit` (≤ 1,000) objects under the location's prefix, all levels or (`recursive: false`) one level under it.
   */
  list(options: {
    cursor: string | null
    limit: number
    recursive: boolean
    signal?: AbortSignal | undefined
  }): Promise<ListPage>
  /**
   * Opens an object, or a range of it, for reading; never buffers it whole. With `ifMatch` a changed object rejects with
   * PRECONDITION_FAILED; a range past the end rejects with RANGE_UNSATISFIABLE.
   */
  read(
    key: string,
    options?: { range?: ByteRange | undefined; ifMatch?: string | undefined; signal?: AbortSignal | undefined },
  ): Promise<ObjectBody>
  /** What `read` would tell of an object, asked without opening it. */
  head(key: string, signal?: AbortSignal): Promise<ObjectHead>
  /** Creates or replaces an object; resolves when the provider has acknowledged it. */
  write(key: string, body: Buffer, options?: { contentType?: string; signal?: AbortSignal | undefined }): Promise<void>
  /** Removes an object; one that is already gone is no fault. */
  remove(key: string, signal?: AbortSignal): Promise<void>
  /** A URL that reads the object without credentials for `ttlSeconds`. Absent where the provider cannot sign. */
  presign?(key: string, options: { ttlSeconds: number }): Promise<URL>
  /**
   * The time of the storage's clock, to the second, as an answer to a small request tells it; undefined when that tells none.
   * Absent where the time makes no difference.
   */
  serverTime?(signal?: AbortSignal): Promise<Date | undefined>
  /**
   * Why a key that was listed cannot be read or written here, whatever its object; undefined when it can. The listing itself
   * may hold such keys.
   */
  refusesKey?(key: string): 'KEY_HAS_DOT_SEGMENTS' | undefined
  /** Frees sockets. Nothing may be called afterwards. */
  close(): void
}

/** What providers may know of the machine they run on. */
export interface ProviderEnvironment {
  /** Opens every connection to a host that a location or secret names. */
  egress: Egress
  /** The folder below which local storages may lie; undefined = none may. */
  localFilesRoot?: string | undefined
  /** The request and byte limits of the storage; absent = it has none. Every request to the storage asks it first. */
  pace?: Pace
}

/**
 * What storages of one kind promise beyond `Provider`, or cannot do. The conformance checks follow it. Names of keys are those of
 * `hostileKeys` in packages/testkit.
 */
export interface KindAbilities {
  /** In which order keys are listed. */
  keyOrder: 'bytes' | 'any'
  /** Whether a listing may start after any string. */
  keyCursor: boolean
  /** Whether the location names keys that start with a text, or the inside of a folder. */
  prefix: 'literal' | 'folder'
  /** Whether a key may end in `/`. */
  folderMarkers: boolean
  /** Where the content type of an object comes from. */
  contentType: 'as written' | 'from the name'
  /** Whether writes carry a checksum of their body that the server must compare; absent: none does. */
  checksums?: boolean
  /** Whether the storage has a version (etag) and a time of each object; absent: it has. */
  versions?: boolean
  /** Keys that the storage cannot hold, each with the reason. */
  cannotHold: Record<string, string>
  /** Keys that cannot stand in a URL, each with the reason. */
  cannotPresign: Record<string, string>
  /** Whether the storage can hold a generated key (the part behind the base); absent: it holds every one. */
  holds?(key: string): boolean
}

/** The longest key that a storage accepts, in UTF-8 bytes or UTF-16 code units, of the whole key or of each part between slashes. */
export interface KeyLimit {
  max: number
  unit: 'bytes' | 'characters'
  per: 'key' | 'segment'
}

/** How a form shows a field; kept in the zod schema's metadata. */
export interface FieldMeta {
  title: string
  description: string
  placeholder?: string
  /** What each value of an enum means; needed with one. */
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
  canPresign: boolean
  abilities: KindAbilities
  /** The limit of names that an export writes; null = none. */
  keyLimit: KeyLimit | null
  location: Location
  secrets: Secrets
  /** The parts of a location that the secrets are bound to: they are sent nowhere else. Empty for a kind without secrets. */
  boundTo: BoundParts<z.infer<Location>>
  /** Secrets of which only one is used: a new value of one clears those listed, unless they are given with it. */
  supersedes?: Record<string, string[]>
  /** Secrets that are of no use without others: replacing or clearing one of these clears them, unless they are given with it. */
  dependsOn?: Record<string, string[]>
  /** Faults that concern several fields at once; paths are field names. */
  crossCheck?(location: z.infer<Location>, secrets: z.infer<Secrets>): FieldError[]
  /** Why nothing may be exported to this place; undefined when it may. Absent where every place may be a target. */
  refuseTarget?(location: z.infer<Location>): SluiceError | undefined
  /**
   * What a storage without complete credentials of its own asks for: to use the server's identity. Undefined if it has
   * credentials or is anonymous. Absent for a kind for which the server has no identity.
   */
  ambient?(location: z.infer<Location>, secrets: z.infer<Secrets>): AmbientRequest | undefined
  /** Where the server will connect to because a person named it; none where the kind knows the hosts itself. */
  targets(location: z.infer<Location>, secrets: z.infer<Secrets>): EgressTarget[]
  /**
   * Whether requests with keys that have `.` or `..` segments may be sent to this place: if nothing between us and the storage
   * takes them for parts of a path, as in the cloud's own hosts.
   */
  sendsDotSegments(location: z.infer<Location>): boolean
  /** The code by which the storage refuses to give an archived object. Absent where nothing is archived. */
  archivedCode?: string
  /** What a person can do about a fault, where this kind knows better than the general advice. */
  hints?: Partial<Record<ErrorCode, string>>
  /** The CORS rule that lets browsers fetch signed URLs from other origins; absent where there is none to set. */
  corsRule?: string
  /** The address of the place without its prefix, and the prefix: what tells whether two storages are the same or overlap. */
  place(location: z.infer<Location>): { endpoint: string; bucket: string; prefix: string }
  /** Opens the place. Loads the SDK at the first call. Does not reach out: faults of the network show in the first method. */
  open(location: z.infer<Location>, secrets: z.infer<Secrets>, environment: ProviderEnvironment): Promise<Provider>
}

/** Where requests to URLs go; absent ones and text that is no URL are left out. */
export function targetsOf(...urls: (string | undefined)[]): EgressTarget[] {
  return urls.flatMap((text) => (text && URL.canParse(text) ? [targetOf(new URL(text))] : []))
}

/** Gives a kind its full types while it is written, and the general ones to the registry. */
export function defineProvider<L extends z.ZodObject, S extends z.ZodObject>(kind: ProviderKind<L, S>): ProviderKind {
  return kind as unknown as ProviderKind
}
