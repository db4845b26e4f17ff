import type { IncomingMessage } from 'node:http'
import type { FaultScope } from './faults.ts'

/** A request that the emulator has received. */
export interface GcsRequest {
  /** Its name in the JSON API, such as `objects.list` or `objects.get`; `media` reads an object, `signed` by signed URL. */
  operation: string
  method: string
  /** As sent, byte for byte. */
  url: string
  bucket: string
  key: string
  query: URLSearchParams
  headers: IncomingMessage['headers']
}

/** What is done to requests. */
export type GcsFault = FaultScope<GcsRequest> &
  (
    | { status: number; reason?: string; message?: string }
    | { answer: { status: number; headers?: Record<string, string>; body: string } }
    | { reset: true }
    | { cutAfterBytes: number }
    | { hold: true }
  )
