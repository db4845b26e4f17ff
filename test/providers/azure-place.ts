import type { AzureServer } from '@sluice/testkit/azure.ts'
import { startAzureFront } from '@sluice/testkit/azure-front.ts'
import { environment } from '@sluice/testkit/egress.ts'
import { onTestFinished } from 'vitest'
import { azureBlob } from '../../src/providers/azure-blob/kind.ts'
import type { Provider } from '../../src/providers/provider.ts'

/** Opens a place as a storage does, its location and secrets checked by the schemas; closed after the test. */
export async function open(location: Record<string, unknown>, secrets: Record<string, unknown>): Promise<Provider> {
  const provider = await azureBlob.open(
    azureBlob.location.parse(location),
    azureBlob.secrets.parse(secrets),
    environment,
  )
  onTestFinished(() => provider.close())
  return provider
}

let containers = 0

/** A new container with `objects`, and how to open it. */
export async function placeOf(server: AzureServer, objects: Record<string, string> = {}) {
  const { account, endpoint, accountKey } = server
  const client = await server.createContainer(`container-${++containers}`)
  const put = async (key: string, body: string | Buffer, metadata?: Record<string, string>) => {
    const bytes = Buffer.from(body)
    await client.getBlockBlobClient(key).upload(bytes, bytes.length, metadata && { metadata })
  }
  await Promise.all(Object.entries(objects).map(([key, body]) => put(key, body)))
  const location = { account, endpoint, container: client.containerName }
  return {
    client,
    put,
    location,
    open: (more: Record<string, unknown> = {}, secrets: Record<string, unknown> = { accountKey }) =>
      open({ ...location, ...more }, secrets),
  }
}

/** A new container behind a front that can fail; the front is stopped after the test. */
export async function fronted(server: AzureServer, objects: Record<string, string> = {}) {
  const place = await placeOf(server, objects)
  const front = await startAzureFront(server.endpoint)
  onTestFinished(() => front.stop())
  return { ...place, front, provider: await place.open({ endpoint: front.endpoint }) }
}
