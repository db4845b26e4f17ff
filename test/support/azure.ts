import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BlobServiceClient, type ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import type { AzureReport } from './azure-process.ts'

/** A running Azurite with one account. It checks account keys and SAS, and with `tls` bearer tokens, as Azure does. */
export interface AzureServer {
  /** With the account as its path, such as `http://127.0.0.1:10000/account`. */
  endpoint: string
  account: string
  accountKey: string
  /** A client of the container, with the account key; made anew when it does not exist. */
  createContainer(name: string, access?: 'container' | 'blob'): Promise<ContainerClient>
  /** Resolves when the process has ended; its blobs are gone with it. */
  stop(): Promise<void>
}

/** Starts Azurite on a free port in a process of its own, which ends with this one at the latest. `tls` holds PEM texts. */
export async function startAzure({ tls }: { tls?: { cert: string; key: string } } = {}): Promise<AzureServer> {
  const account = `acct${randomBytes(4).toString('hex')}`
  const accountKey = randomBytes(64).toString('base64')
  const folder = await mkdtemp(join(tmpdir(), 'sluice-azure-'))
  const options = ['--inMemoryPersistence', '--silent', '--disableTelemetry', '--skipApiVersionCheck']
  if (tls) {
    await writeFile(join(folder, 'cert.pem'), tls.cert)
    await writeFile(join(folder, 'key.pem'), tls.key)
    options.push('--cert', join(folder, 'cert.pem'), '--key', join(folder, 'key.pem'), '--oauth', 'basic')
  }
  const child = fork(new URL('./azure-process.ts', import.meta.url), ['--blobPort', '0', ...options], {
    cwd: folder,
    env: { ...process.env, AZURITE_ACCOUNTS: `${account}:${accountKey}` },
    execArgv: ['--disable-warning=ExperimentalWarning', '--disable-warning=DEP0040', '--disable-warning=DEP0169'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const ended = once(child, 'exit')
  const [report] = (await Promise.race([
    once(child, 'message'),
    ended.then(([code]) => Promise.reject(new Error(`Azurite has ended with code ${code}.`))),
  ])) as [AzureReport]
  child.unref()
  child.channel?.unref()

  const endpoint = `${report.url}/${account}`
  const credential = new StorageSharedKeyCredential(account, accountKey)
  const client = new BlobServiceClient(endpoint, credential)
  return {
    endpoint,
    account,
    accountKey,
    async createContainer(name, access) {
      const container = client.getContainerClient(name)
      await container.create(access && { access })
      return container
    },
    async stop() {
      child.ref()
      if (child.connected) child.disconnect()
      await ended
      await rm(folder, { recursive: true })
    },
  }
}
