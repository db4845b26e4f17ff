// Azurite's blob service as a process of its own, so that its work neither blocks nor is measured with the program under
// test. Started by `startAzure`, which it does not outlive.
import { createRequire } from 'node:module'

/** Copies the blob `from` to many others without going through HTTP, which takes some milliseconds for each. */
export type AzureOrder = { id: number; container: string; from: string; to: string[] }
export type AzureReport = { url: string } | { id: number }

interface Collection {
  findOne(query: object): Record<string, unknown>
  insert(documents: object[]): void
}
interface Server {
  metadataStore: { db: { getCollection(name: string): Collection } }
  getHttpServerAddress(): string
}
interface Factory {
  prototype: { createServer(): Promise<Server> }
}

process.on('disconnect', () => process.exit())

const require = createRequire(import.meta.url)
const { BlobServerFactory } = require('azurite/dist/src/blob/BlobServerFactory.js') as { BlobServerFactory: Factory }
const { createServer } = BlobServerFactory.prototype
let server: Server
BlobServerFactory.prototype.createServer = async function () {
  server = await createServer.call(this)
  return server
}

console.log = (text: unknown) => {
  if (/successfully listens/.test(String(text))) report({ url: server.getHttpServerAddress() })
}

process.on('message', ({ id, container, from, to }: AzureOrder) => {
  const blobs = server.metadataStore.db.getCollection('$BLOBS_COLLECTION$')
  const { $loki, meta, ...blob } = blobs.findOne({ containerName: container, name: from })
  blobs.insert(to.map((name) => ({ ...blob, name })))
  report({ id })
})

// It reads its settings from the command line.
require('azurite/dist/src/blob/main.js')

function report(message: AzureReport): void {
  process.send!(message)
}
