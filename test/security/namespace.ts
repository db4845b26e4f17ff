// Runs a real server in a network namespace of its own, whose loopback device has closed addresses, and observes by a listener
// at all of them that the server connects to none. Needs root on Linux: node test/security/namespace.ts
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createClient, type GraphqlClient } from '@sluice/testkit/client.ts'
import { launch, temporaryFolder } from '@sluice/testkit/launch.ts'
import { createProject, createStorage } from '@sluice/testkit/scenario.ts'
import { canonicalHost } from '../../src/security/host.ts'
import { closedForms } from './address-forms.ts'
import { startNameServer } from './name-server.ts'
import { createBuckets, inUrl, redirects, tryCachedClient, trySignedUrls } from './namespace-buckets.ts'
import { startSink } from './sink.ts'

/** Of documentation, so public. */
const publicAddress = '203.0.113.7'
const nameServer = '127.0.0.153'
const token = 'a-token-for-the-namespace-1234'
// The kernel gives an interface no multicast, broadcast or unspecified address.
const assignable = [
  ...new Set(closedForms.map(({ text, isName }) => (isName ? '127.0.0.1' : canonicalHost(text)!))),
].filter((address) => !/^(22[4-9]|23\d|2[45]\d|0)\.|^ff|^::$/.test(address))

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const serviceAccount = (token_uri: string) =>
  JSON.stringify({
    ...{ type: 'service_account', client_email: 'reader@project.iam.gserviceaccount.com', token_uri },
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  })
if (process.argv[2] === 'inside') await inside()
else outside()

function outside(): void {
  const program = [process.execPath, fileURLToPath(import.meta.url), 'inside']
  const { status, stderr } = spawnSync('unshare', ['--net', '--mount', 'true'], { encoding: 'utf8' })
  if (status !== 0) {
    console.error(`This test makes a network namespace, which takes root on Linux. ${stderr ?? ''}`)
    process.exit(1)
  }
  const run = spawnSync(
    'unshare',
    ['--net', '--mount', '--pid', '--mount-proc', '--fork', '--kill-child', ...program],
    { stdio: 'inherit' },
  )
  process.exit(run.status ?? 1)
}

/** Gives the namespace its addresses and its resolver. Nothing in it can leave: it has no other device. */
function prepare(): void {
  const ip = (...words: string[]) => spawnSync('ip', words, { encoding: 'utf8' })
  execFileSync('ip', ['link', 'set', 'lo', 'up'])
  const refused = [publicAddress, nameServer, ...assignable].filter((address) => {
    if (/^127\.|^::1$/.test(address)) return false
    const { status, stderr } = ip('addr', 'add', `${address}/${isIP(address) === 4 ? 32 : 128}`, 'dev', 'lo', 'nodad')
    return status !== 0 && !stderr.includes('exists') && ip('addr', 'add', `${address}/32`, 'dev', 'lo').status !== 0
  })
  if (refused.length > 0) console.log(`The kernel takes no ${refused.join(', ')} as addresses of a device.`)
  assert(refused.length < 20, 'Too few closed addresses can be observed.')
  const folder = mkdtempSync(join(tmpdir(), 'sluice-namespace-'))
  for (const [name, text] of [
    ['resolv.conf', `nameserver ${nameServer}\noptions timeout:2\n`],
    ['nsswitch.conf', 'hosts: files dns\n'],
  ] as const) {
    writeFileSync(join(folder, name), text)
    execFileSync('mount', ['--bind', join(folder, name), `/etc/${name}`])
  }
}

async function inside(): Promise<void> {
  prepare()
  /** What names mean from some moment on. */
  const later = new Map<string, string>()
  const names = await startNameServer(nameServer, (name, lookup) => {
    const changed = later.get(name)
    if (changed) return changed
    const [, kind, index] = /(?:^|\.)(closed|rebound)-(\d+)\.test$/.exec(name) ?? []
    if (!kind || (kind === 'rebound' && lookup <= 1)) return publicAddress
    return assignable[Number(index)]!
  })
  const buckets = createBuckets({ closed: assignable, later })
  const sink = await startSink({ moved: '169.254.169.254', host: '::', port: 80, answer: buckets })
  const folder = temporaryFolder()
  const settings = { HOST: '0.0.0.0', DATA_DIR: folder.path, ADMIN_TOKEN: token, EGRESS_ALLOWED: '' }
  try {
    await withServer(settings, async (client, url) => {
      const projectId = await createProject(client)
      let tried = 0
      const queue = [...hosts()]
      const lane = async (host = queue.shift()): Promise<void> => {
        if (host === undefined) return
        const answers = await Promise.all(
          locations(host).map((location) => createStorage(client, { projectId, location })),
        )
        const webhook = await createAndTestWebhook(client, projectId, host)
        for (const answer of answers) assert.notEqual(answer.__typename, 'CreateImportStorageSuccess', host)
        tried += answers.length + Number(webhook)
        return lane()
      }
      await Promise.all([lane(), lane(), lane(), lane()])
      tried += await trySignedUrls(client, { projectId, closed: assignable })
      tried += await tryCachedClient(client, { projectId, url, token, closed: assignable, later })
      assert.equal(
        sink.requests.filter((line) => /led-\d+-\d+\.test.*X-Amz-Signature/.test(line)).length,
        redirects.length,
      )
      const closed = sink.reached.filter((address) => address !== publicAddress)
      assert.deepEqual([...new Set(closed)], [], 'The server connected to a closed address.')
      assert(sink.requests.length > 200, `Only ${sink.requests.length} requests reached the public address.`)
      console.log(`${tried} tries, ${sink.reached.length} connections to ${publicAddress}, 0 to a closed address.`)
    })
    // That the listener does observe what a server opens.
    await withServer({ ...settings, EGRESS_ALLOWED: '10.0.0.0/8' }, async (client) => {
      const projectId = await createProject(client, 'allowed')
      await Promise.all(locations('10.0.0.1').map((location) => createStorage(client, { projectId, location })))
      assert(sink.reached.includes('10.0.0.1'), 'EGRESS_ALLOWED=10.0.0.0/8 does not open 10.0.0.1.')
      console.log('With EGRESS_ALLOWED=10.0.0.0/8 the listener at 10.0.0.1 is reached.')
    })
  } finally {
    await sink.stop()
    names.stop()
    folder.remove()
  }
  process.exit(0)
}

async function withServer(
  env: Record<string, string>,
  work: (client: GraphqlClient, url: string) => Promise<void>,
): Promise<void> {
  const server = launch(env)
  const { url } = await server.ready()
  const client = createClient(url, token)
  try {
    await work(client, url)
  } finally {
    await client.close()
    await server.end()
  }
}

/** Everything that a user may enter as a host: forms, names of closed addresses, names that change, names that redirect. */
function* hosts(): Generator<string> {
  for (const { text } of closedForms) yield inUrl(text)
  for (const n of assignable.keys()) yield `closed-${n}.test`
  for (const n of assignable.keys()) yield `rebound-${n}.test`
  for (const status of redirects) {
    for (const address of assignable.filter((_, n) => n % 8 === 0)) {
      const target = Buffer.from(`http://${inUrl(address)}/latest`).toString('hex')
      yield `${status}.${target.replace(/.{60}/g, '$&.').replace(/\.$/, '')}.test`
    }
  }
}

function locations(host: string): object[] {
  const endpoint = `http://${host}`
  const keyPair = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret', region: 'us-east-1' }
  const role = { roleArn: 'arn:aws:iam::123456789012:role/reader', stsEndpoint: endpoint }
  return [
    { s3: { bucket: 'bucket', endpoint, ...keyPair } },
    { s3: { bucket: 'metabucket', endpoint, addressing: 'VHOST', ...keyPair } },
    { s3: { bucket: 'bucket', endpoint: 'http://elsewhere.test', ...keyPair, ...role } },
    { gcs: { bucket: 'bucket', endpoint, anonymous: true } },
    {
      gcs: {
        bucket: 'bucket',
        endpoint: 'http://elsewhere.test',
        serviceAccountJson: serviceAccount(`${endpoint}/token`),
      },
    },
    { azureBlob: { account: 'account', container: 'container', endpoint: `${endpoint}/account`, anonymous: true } },
    { redis: { host: host.replace(/^\[|\]$/g, ''), port: 80, db: 1 } },
  ]
}

/** Whether the webhook could be created, and so was tested. */
async function createAndTestWebhook(client: GraphqlClient, projectId: string, host: string): Promise<boolean> {
  const { createWebhook: made } = await client.request(
    `mutation ($input: CreateWebhookInput!) { createWebhook(input: $input) {
      ... on CreateWebhookSuccess { newWebhook { webhook { id } } } ... on Error { code } } }`,
    { input: { projectId, url: `http://${host}/hook`, actions: ['SYNC_FAILED'] } },
  )
  const id = made.newWebhook?.webhook.id
  if (!id) return false
  await client.request(
    'mutation ($id: ID!) { testWebhook(id: $id) { ... on TestWebhookSuccess { delivery { status } } ... on Error { code } } }',
    { id },
  )
  return true
}
