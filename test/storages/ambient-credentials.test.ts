import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { type Eavesdropper, startEavesdropper } from '@sluice/testkit/eavesdropper.ts'
import { errorFields } from '@sluice/testkit/errors.ts'
import { createProject, createStorage, sync } from '@sluice/testkit/scenario.ts'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'

const checking = `mutation ($input: CheckStorageInput!) { checkStorage(input: $input) {
  ... on CheckStorageSuccess { check { steps { name status code message } } } ${errorFields} } }`

const roleArn = 'arn:aws:iam::123456789012:role/reader'

/** Storages without credentials of their own. */
const clouds = [
  { name: 'S3', listed: 'S3:photos', location: { s3: { bucket: 'photos' } }, uri: 's3://photos/a' },
  {
    name: 'S3 with a role',
    listed: 'S3:photos',
    location: { s3: { bucket: 'photos', roleArn } },
    uri: 's3://photos/a',
  },
  { name: 'GCS', listed: 'GCS:photos', location: { gcs: { bucket: 'photos' } }, uri: 'gs://photos/a' },
  {
    name: 'Azure',
    listed: 'AZURE_BLOB:mine/photos',
    location: { azureBlob: { account: 'mine', container: 'photos' } },
    uri: 'azure-blob://photos/a',
  },
]

/** The same with an endpoint that is not the cloud's. */
const elsewhere = [
  { name: 'S3 endpoint', location: (url: string) => ({ s3: { bucket: 'photos', endpoint: url } }) },
  { name: 'S3 public endpoint', location: (url: string) => ({ s3: { bucket: 'photos', publicEndpoint: url } }) },
  { name: 'STS endpoint', location: (url: string) => ({ s3: { bucket: 'photos', roleArn, stsEndpoint: url } }) },
  {
    name: 'Azure endpoint',
    location: (url: string) => ({
      azureBlob: { account: 'mine', container: 'photos', endpoint: `${url.replace('http:', 'https:')}/mine` },
    }),
  },
]

describe("the server's own identity", () => {
  let evil: Eavesdropper
  let app: TestApp | undefined
  beforeAll(async () => {
    evil = await startEavesdropper()
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDAMBIENT')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'ambient-secret')
    vi.stubEnv('AZURE_TENANT_ID', 'adfs')
    vi.stubEnv('AZURE_CLIENT_ID', 'ambient-client')
    vi.stubEnv('AZURE_CLIENT_SECRET', 'ambient-secret')
    vi.stubEnv('AZURE_AUTHORITY_HOST', `https://127.0.0.1:${evil.port}`)
  })
  afterEach(async () => {
    await app?.stop()
    app = undefined
  })
  afterAll(async () => {
    vi.unstubAllEnvs()
    await evil.stop()
  })

  const failures = async (location: object) => {
    const projectId = await createProject(app!)
    const { checkStorage } = await app!.request(checking, { input: { projectId, location } })
    return checkStorage.check.steps.filter(({ status }: { status: string }) => status === 'FAILED')
  }

  it('is disabled for everyone if other machines can reach the server: in the check, the run and the link', async () => {
    app = await startTestApp({ HOST: '0.0.0.0' })
    for (const { name, listed, location, uri } of clouds) {
      expect(await failures(location), name).toEqual([
        {
          name: 'AUTHENTICATE',
          status: 'FAILED',
          code: 'AMBIENT_CREDENTIALS_DISABLED',
          message: expect.stringContaining(`${listed} to AMBIENT_CREDENTIALS`),
        },
      ])
      const projectId = await createProject(app)
      const { storage } = await createStorage(app, { projectId, location, skipCheck: true })
      expect(await sync(app, storage.id), name).toMatchObject({
        status: 'FAILED',
        failure: expect.stringContaining('AMBIENT_CREDENTIALS'),
      })
      const [, project] = Buffer.from(projectId, 'base64').toString().split(':')
      const link = `${app.url}/projects/${project}/resolve/?fileuri=${Buffer.from(uri).toString('base64url')}`
      const answer = await fetch(link, { redirect: 'manual', headers: { authorization: `Bearer ${app.token}` } })
      expect(answer.status, name).toBe(502)
      expect(await answer.json(), name).toMatchObject({ code: 'AMBIENT_CREDENTIALS_DISABLED' })
    }
  })

  it('is disabled for storages that the operator did not list', async () => {
    app = await startTestApp({ HOST: '0.0.0.0', AMBIENT_CREDENTIALS: 'S3:photos/mine,GCS:x' })
    for (const location of [
      ...clouds.map((cloud) => cloud.location),
      { s3: { bucket: 'photos', prefix: 'mine' } },
      { s3: { bucket: 'photos', prefix: 'mine2/' } },
    ]) {
      expect(await failures(location)).toMatchObject([{ name: 'AUTHENTICATE', code: 'AMBIENT_CREDENTIALS_DISABLED' }])
    }
  })

  it.each(elsewhere)('is sent to no other host, not even in local mode: $name', async ({ location }) => {
    app = await startTestApp({ AMBIENT_CREDENTIALS: 'S3,GCS,AZURE_BLOB' })
    const place = location(`http://127.0.0.1:${evil.port}`)
    expect(await failures(place)).toMatchObject([
      { name: 'AUTHENTICATE', code: 'AMBIENT_CREDENTIALS_DISABLED', message: expect.stringContaining('own hosts') },
    ])
    const { storage } = await createStorage(app, {
      projectId: await createProject(app),
      location: place,
      skipCheck: true,
    })
    expect(await sync(app, storage.id)).toMatchObject({ status: 'FAILED' })
    expect(evil.received).toBe('')
  })
})
