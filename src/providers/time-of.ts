/** The time in a `Date` header (RFC 9110 §6.6.1). Undefined if the header is absent or invalid. */
export function timeOf(header: string | null | undefined): Date | undefined {
  const milliseconds = Date.parse(header ?? '')
  return Number.isNaN(milliseconds) ? undefined : new Date(milliseconds)
}
