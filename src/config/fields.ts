import { z } from 'zod'

/** A whole number in a range, both ends included. */
export const whole = (min: number, max: number) => {
  const error = `must be a whole number from ${min} to ${max}`
  return z.coerce.number({ error }).int({ error }).min(min, { error }).max(max, { error })
}
/** Seconds, fractions too, from 0 to `max`. */
export const seconds = (max: number) => {
  const error = `must be a number of seconds from 0 to ${max}`
  return z.coerce.number({ error }).min(0, { error }).max(max, { error })
}
/** Text of at least `length` characters. */
export const atLeast = (length: number) => z.string().min(length, { error: `must have at least ${length} characters` })
/** Whether text is an address or a network in CIDR notation. */
export const isNetwork = (text: string) => z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()]).safeParse(text).success
/** Whether text is a network, a host or `host:port`. */
export const isEgressEntry = (text: string) =>
  isNetwork(text) || /^(?:\[[\da-f:.]+\]|[\p{L}\p{N}._-]+)(?::\d{1,5})?$/iu.test(text)
/** The entries of a comma-separated list, without spaces and empty ones. */
export const entries = (list: string) =>
  list
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean)
/** true or false, in any spelling that zod accepts. */
export const flag = z.stringbool({ error: 'must be true or false' })

/** What a process can be: `api` answers clients, `worker` does jobs. */
export const roles = ['api', 'worker'] as const
export const isRole = (text: string): text is (typeof roles)[number] => roles.some((role) => role === text)

export const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export const postgresUrl = z.url({ protocol: /^postgres(ql)?$/, error: 'must be a postgres:// or postgresql:// URL' })
export const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' })
