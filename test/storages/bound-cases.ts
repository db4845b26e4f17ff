import { randomBytes } from 'node:crypto'
import type { Eavesdropper } from '@sluice/testkit/eavesdropper.ts'
import type { GcsServer } from '@sluice/testkit/gcs.ts'
import type { ProviderName } from '../../src/providers/registry.ts'

/** A storage with secrets, and the ways in which its location can be changed to another place. */
export interface BoundCase {
  name: string
  provider: ProviderName
  /** Name of the input field of the provider. */
  input: string
  location: Record<string, unknown>
  secrets: Record<string, string>
  /** One of several secrets, given anew. */
  partial?: Record<string, string>
  changes: {
    part: string
    to: Record<string, unknown>
    /** Whether a client that opens the changed location sends something to the eavesdropper. */
    reachesEavesdropper: boolean
  }[]
}

const accountKey = randomBytes(64).toString('base64')

/** Every provider with secrets × every bound part; the stored locations are at `own`, the changed ones at the eavesdropper. */
export function boundCases(
  { port, host }: Eavesdropper,
  own: Pick<Eavesdropper, 'port' | 'host'>,
  { newAccount }: Pick<GcsServer, 'newAccount'>,
): BoundCase[] {
  const home = `http://${own.host}:${own.port}`
  const evil = `http://${host}:${port}`
  const keyPair = { accessKeyId: 'AKIDSTORED', secretAccessKey: 'stored-secret' }
  const roleArn = 'arn:aws:iam::123456789012:role/reader'
  const azure = { account: 'devstoreaccount1', container: 'photos', endpoint: `${home}/devstoreaccount1` }
  const azureChanges = [
    { part: 'endpoint', to: { endpoint: `${evil}/devstoreaccount1` }, reachesEavesdropper: true },
    { part: 'account', to: { account: 'another1', endpoint: `${home}/another1` }, reachesEavesdropper: false },
  ]
  return [
    {
      name: 'S3 key pair',
      provider: 'S3',
      input: 's3',
      location: { bucket: 'photos', endpoint: home },
      secrets: { ...keyPair, sessionToken: 'stored-token' },
      partial: { sessionToken: 'another-token' },
      changes: [
        { part: 'endpoint', to: { endpoint: evil }, reachesEavesdropper: true },
        { part: 'publicEndpoint', to: { publicEndpoint: evil }, reachesEavesdropper: false },
        { part: 'roleArn', to: { roleArn }, reachesEavesdropper: false },
        { part: 'stsEndpoint', to: { roleArn, stsEndpoint: evil }, reachesEavesdropper: true },
      ],
    },
    {
      name: 'S3 role',
      provider: 'S3',
      input: 's3',
      location: {
        bucket: 'photos',
        endpoint: home,
        publicEndpoint: `http://localhost:${own.port}`,
        roleArn,
        stsEndpoint: home,
      },
      secrets: keyPair,
      partial: { accessKeyId: 'AKIDSTORED' },
      changes: [
        { part: 'publicEndpoint', to: { publicEndpoint: evil }, reachesEavesdropper: false },
        { part: 'stsEndpoint', to: { stsEndpoint: evil }, reachesEavesdropper: true },
        { part: 'roleArn', to: { roleArn: `${roleArn}s` }, reachesEavesdropper: false },
      ],
    },
    {
      name: 'GCS service account',
      provider: 'GCS',
      input: 'gcs',
      location: { bucket: 'photos', endpoint: home },
      secrets: { serviceAccountJson: newAccount().keyFile },
      changes: [{ part: 'endpoint', to: { endpoint: evil }, reachesEavesdropper: true }],
    },
    {
      name: 'Azure account key',
      provider: 'AZURE_BLOB',
      input: 'azureBlob',
      location: azure,
      secrets: { accountKey },
      changes: azureChanges,
    },
    {
      name: 'Azure SAS',
      provider: 'AZURE_BLOB',
      input: 'azureBlob',
      location: azure,
      secrets: { sasToken: 'sv=2020-12-06&sr=c&sp=rl&sig=stored' },
      changes: azureChanges,
    },
    {
      name: 'Redis password',
      provider: 'REDIS',
      input: 'redis',
      location: { ...own, db: 1, tls: false },
      secrets: { password: 'stored-password' },
      changes: [{ part: 'port', to: { port }, reachesEavesdropper: true }],
    },
    {
      name: 'Redis host',
      provider: 'REDIS',
      input: 'redis',
      location: { host: '127.0.0.9', port, db: 1, tls: false },
      secrets: { password: 'stored-password' },
      changes: [{ part: 'host', to: { host }, reachesEavesdropper: true }],
    },
    {
      name: 'Redis with TLS',
      provider: 'REDIS',
      input: 'redis',
      location: { host, port, db: 1, tls: true },
      secrets: { password: 'stored-password' },
      changes: [{ part: 'tls', to: { tls: false }, reachesEavesdropper: true }],
    },
  ]
}
