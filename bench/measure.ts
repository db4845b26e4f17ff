import { S3Client } from '@aws-sdk/client-s3'
import pg from 'pg'

/** What a piece of work took. */
export interface Cost {
  seconds: number
  /** Everything this process sent to PostgreSQL, `begin` and `commit` included. */
  statements: number
  listCalls: number
  getCalls: number
  /** Resident memory of this process before the work, and its highest value during it, sampled every 20 ms. */
  rss: { before: number; peak: number }
}

const calls = { statements: 0, ListObjectsV2Command: 0, GetObjectCommand: 0 }

/** Counts all later statements and S3 calls of this process. Call once, first. */
export function countCalls(): void {
  const { query } = pg.Client.prototype
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    calls.statements++
    return Reflect.apply(query, this, args)
  } as typeof query
  const { send } = S3Client.prototype
  S3Client.prototype.send = function (this: S3Client, ...args: unknown[]) {
    const name = (args[0] as object).constructor.name
    if (name in calls) calls[name as keyof typeof calls]++
    return Reflect.apply(send, this, args)
  } as typeof send
}

/** Does the work and tells what it took. */
export async function measure<T>(work: () => Promise<T>): Promise<Cost & { value: T }> {
  const before = { ...calls }
  const rss = { before: process.memoryUsage.rss(), peak: process.memoryUsage.rss() }
  const look = () => {
    rss.peak = Math.max(rss.peak, process.memoryUsage.rss())
  }
  const timer = setInterval(look, 20)
  const start = performance.now()
  try {
    const value = await work()
    const seconds = (performance.now() - start) / 1000
    look()
    return {
      value,
      seconds,
      statements: calls.statements - before.statements,
      listCalls: calls.ListObjectsV2Command - before.ListObjectsV2Command,
      getCalls: calls.GetObjectCommand - before.GetObjectCommand,
      rss,
    }
  } finally {
    clearInterval(timer)
  }
}

/** The value below which `share` (0 to 1) of the values lie; the middle one by default. */
export function quantile(values: number[], share = 0.5): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
}
