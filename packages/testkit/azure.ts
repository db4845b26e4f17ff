import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BlobServiceClient, type ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import type { AzureOrder, AzureReport } from './azure-process.ts'

/** A running Azurite with one account. It checks account keys and SAS, and with `tls` bearer tokens, as Azure does. */
export interface AzureServer {
  /** With the account as its path, such as `http://127.0.0.1:10000/account`. */
  endpoint: string
  account: string
  accountKey: string
  /** Makes a container; its client has the account key. */
  createContainer(name: string): Promise<ContainerClient>
  /** Makes many empty blobs at once. */
  putMany(container: string, keys: [string, ...string[]]): Promise<void>
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
  const { url } = (await nextReport(child, (report) => 'url' in report)) as { url: string }
  child.unref()
  child.channel?.unref()

  const endpoint = `${url}/${account}`
  const credential = new StorageSharedKeyCredential(account, accountKey)
  const client = new BlobServiceClient(endpoint, credential)
  let orders = 0
  return {
    endpoint,
    account,
    accountKey,
    async createContainer(name) {
      const container = client.getContainerClient(name)
      await container.create()
      return container
    },
    async putMany(container, [from, ...to]) {
      const id = ++orders
      await client.getContainerClient(container).getBlockBlobClient(from).upload('', 0)
      child.channel?.ref()
      const done = nextReport(child, (report) => 'id' in report && report.id === id)
      child.send({ id, container, from, to } satisfies AzureOrder)
      await done
      child.channel?.unref()
    },
    async stop() {
      child.ref()
      if (child.connected) child.disconnect()
      await ended
      await rm(folder, { recursive: true })
    },
  }
}

/** The first message that fits. Rejects when the process ends first. */
function nextReport(child: ChildProcess, fits: (report: AzureReport) => boolean): Promise<AzureReport> {
  const { promise, resolve, reject } = Promise.withResolvers<AzureReport>()
  const listen = (report: unknown) => fits(report as AzureReport) && settle(() => resolve(report as AzureReport))
  const fail = (code: number | null) => settle(() => reject(new Error(`Azurite has ended with code ${code}.`)))
  const settle = (then: () => void) => {
    child.off('message', listen).off('exit', fail)
    then()
  }
  child.on('message', listen).on('exit', fail)
  return promise
}
