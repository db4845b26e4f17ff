/** The time in a header `Date` (RFC 9110 §6.6.1); undefined when it tells none. */
export function timeOf(header: string | null | undefined): Date | undefined {
  const milliseconds = Date.parse(header ?? '')
  return Number.isNaN(milliseconds) ? undefined : new Date(milliseconds)
}
