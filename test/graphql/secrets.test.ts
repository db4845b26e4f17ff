import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { errorFields } from '@sluice/testkit/errors.ts'
import { type S3Server, startS3 } from '@sluice/testkit/s3.ts'
import { type Front, startFront } from '@sluice/testkit/s3-front.ts'
import { createProject, createStorage, sync } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { unsealSecrets } from '../../src/connect.ts'
import { createSealer } from '../../src/security/seal.ts'

const keyPair = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'the-secret-of-secrets' }
const secretTexts = ['AKIDEXAMPLE', 'the-secret-of-secrets', 'the-token', 'wrong-secret', 'AKIDOTHER']

describe('the secrets of a storage', () => {
  let app: TestApp
  let s3: S3Server
  let front: Front
  beforeAll(async () => {
    ;[app, s3] = await Promise.all([startTestApp(), startS3()])
    front = await startFront({ target: s3.endpoint, credentials: keyPair })
    await s3.createBucket('photos')
    await s3.put('photos', 'a.jpg', 'x')
  })
  afterAll(async () => {
    await Promise.all([app?.stop(), s3?.stop()])
    await front?.stop()
  })

  const location = (more: object = {}) => ({ s3: { bucket: 'photos', endpoint: front.endpoint, ...keyPair, ...more } })
  const connect = async (more: object = {}) => {
    const { storage } = await createStorage(app, {
      projectId: await createProject(app),
      location: location(more),
      skipCheck: true,
    })
    return storage as { id: string; databaseId: number }
  }
  const update = async (id: string, s3Input: object) => {
    const { updateImportStorage } = await app.request(
      `mutation ($input: UpdateImportStorageInput!) { updateImportStorage(input: $input) {
        ... on UpdateImportStorageSuccess { storage { id } } ${errorFields} } }`,
      { input: { id, location: { s3: { bucket: 'photos', endpoint: front.endpoint, ...s3Input } }, skipCheck: true } },
    )
    return updateImportStorage
  }
  /** What the row holds, opened with the server's key. */
  const stored = async (id: number) => {
    const [row] = await query(app.databaseUrl, 'select * from storage where id = $1', [id])
    if (row.secrets === null) return null
    const sealer = createSealer('test-secret-key-test-secret-key-test')
    return unsealSecrets(sealer, { ...row, id, project: Number(row.project_id) })
  }

  it('work, and are sealed in the database', async () => {
    const storage = await connect()
    expect(await sync(app, storage.id)).toMatchObject({ status: 'COMPLETED', counters: { created: 1 } })
    const [row] = await query(app.databaseUrl, 'select s::text as text from storage s where id = $1', [
      storage.databaseId,
    ])
    for (const secret of secretTexts) expect(row.text).not.toContain(secret)
    expect(await stored(storage.databaseId)).toEqual(keyPair)
  })

  it('are in no response, error, event, run or table', async () => {
    const storage = await connect({ sessionToken: 'the-token' })
    const run = await sync(app, storage.id)
    const wrong = await createStorage(app, {
      projectId: await createProject(app),
      location: location({ secretAccessKey: 'wrong-secret' }),
    })
    expect(wrong).toMatchObject({ __typename: 'ConnectionCheckError' })
    const half = await createStorage(app, {
      projectId: await createProject(app),
      location: location({ accessKeyId: null }),
    })
    const failing = await connect({ accessKeyId: 'AKIDOTHER' })
    const failed = await sync(app, failing.id)
    expect(failed).toMatchObject({ status: 'FAILED', failure: expect.stringContaining('credentials') })
    const everything = await app.request(
      `{ projects { edges { node { id title } } } providers { provider fields { name defaultValue placeholder } }
        nodes(ids: ["${storage.id}", "${failing.id}"]) { ... on ImportStorage { title description failure status
          location { ... on S3Location { bucket prefix endpoint publicEndpoint region addressing anonymous } }
          runs { edges { node { failure issues { edges { node { key message } } } } } } } } }`,
    )
    const tables = await query(
      app.databaseUrl,
      `select coalesce(string_agg(t, ' '), '') as text from (select s::text as t from storage s union all
       select r::text from sync_run r union all select e::text from event e union all select i::text from sync_issue i
       union all select j::text from agenda_jobs j) all_rows`,
    )
    const seen = JSON.stringify([run, wrong, half, failed, everything, tables])
    for (const secret of secretTexts) expect(seen).not.toContain(secret)
  })

  it('stay if an update omits them, and are cleared by null', async () => {
    const storage = await connect({ sessionToken: 'the-token' })
    await update(storage.id, { prefix: 'x' })
    expect(await stored(storage.databaseId)).toEqual({ ...keyPair, sessionToken: 'the-token' })
    await update(storage.id, { sessionToken: null })
    expect(await stored(storage.databaseId)).toEqual(keyPair)
    await update(storage.id, { accessKeyId: null, secretAccessKey: null })
    expect(await stored(storage.databaseId)).toBeNull()
  })

  it('drop the stored session token when the key pair is cleared', async () => {
    const storage = await connect({ sessionToken: 'the-token' })
    await update(storage.id, { accessKeyId: null, secretAccessKey: null })
    expect(await stored(storage.databaseId)).toBeNull()
  })

  it('drop the stored session token with a new key pair that brings none', async () => {
    const storage = await connect({ sessionToken: 'the-token' })
    await update(storage.id, { accessKeyId: 'AKIDOTHER', secretAccessKey: 'other' })
    expect(await stored(storage.databaseId)).toEqual({ accessKeyId: 'AKIDOTHER', secretAccessKey: 'other' })
    await update(storage.id, { ...keyPair, sessionToken: 'the-token' })
    expect(await stored(storage.databaseId)).toEqual({ ...keyPair, sessionToken: 'the-token' })
  })

  it.each([
    { half: { accessKeyId: 'AKIDOTHER' }, missing: 'secretAccessKey' },
    { half: { secretAccessKey: 'other' }, missing: 'accessKeyId' },
  ])('with half of a key pair are an error on $missing', async ({ half, missing }) => {
    const projectId = await createProject(app)
    const input = { projectId, location: { s3: { bucket: 'photos', endpoint: front.endpoint, ...half } } }
    const path = `input.location.s3.${missing}`
    expect(await createStorage(app, input)).toMatchObject({ code: 'VALIDATION', fieldErrors: [{ path }] })
    const storage = await connect()
    expect(await update(storage.id, { [missing]: null })).toMatchObject({ code: 'VALIDATION', fieldErrors: [{ path }] })
    expect(await stored(storage.databaseId)).toEqual(keyPair)
  })
})
