/** What a code means. */
export interface ErrorDefinition {
  /** HTTP status. */
  status: number
  /** True if the same call may succeed later without any change. */
  retryable: boolean
  /** The message, as text for people. */
  message: string
  /** True if the storage has no bytes for the key: a link to it answers 404. */
  hasNoBytes?: true
}
