import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { faultOf, unknownId } from '@sluice/testkit/errors.ts'
import { type S3Server, startS3 } from '@sluice/testkit/s3.ts'
import { type Front, startFront } from '@sluice/testkit/s3-front.ts'
import { createProject, createStorage } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const keyPair = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' }

describe('connecting a storage with bad input saves nothing:', () => {
  let app: TestApp
  let s3: S3Server
  let front: Front
  let projectId: string
  const outside = mkdtempSync(join(tmpdir(), 'sluice-outside-'))
  beforeAll(async () => {
    ;[app, s3] = await Promise.all([startTestApp(), startS3()])
    front = await startFront({ target: s3.endpoint, credentials: keyPair })
    projectId = await createProject(app)
    await s3.createBucket('photos')
    await s3.put('photos', 'in/a.jpg', 'x')
    writeFileSync(join(outside, 'secret.txt'), 'x')
    mkdirSync(join(app.localRoot, 'inside'))
    writeFileSync(join(app.localRoot, 'file'), 'x')
    symlinkSync(outside, join(app.localRoot, 'link'))
  })
  afterAll(async () => {
    const rows = await query(app.databaseUrl, 'select 1 from storage')
    await Promise.all([app?.stop(), s3?.stop()])
    await front?.stop()
    rmSync(outside, { recursive: true, force: true })
    expect(rows).toEqual([])
  })
  const place = (more: object = {}) => ({ s3: { bucket: 'photos', endpoint: front.endpoint, ...keyPair, ...more } })

  it.for<{ what: string; more: object; step: string; code: string }>([
    { what: 'a wrong secret', more: { secretAccessKey: 'wrong' }, step: 'AUTHENTICATE', code: 'BAD_CREDENTIALS' },
    { what: 'an unknown key id', more: { accessKeyId: 'NOBODY' }, step: 'AUTHENTICATE', code: 'BAD_CREDENTIALS' },
    { what: 'no such bucket', more: { bucket: 'not-there' }, step: 'OPEN', code: 'NO_SUCH_BUCKET' },
    { what: 'an empty prefix', more: { prefix: 'nothing/' }, step: 'FIND_OBJECT', code: 'EMPTY_PREFIX' },
    { what: 'a closed port', more: { endpoint: 'http://127.0.0.1:2' }, step: 'REACH', code: 'CONNECTION_REFUSED' },
    { what: 'an unknown host', more: { endpoint: 'http://x.invalid' }, step: 'REACH', code: 'UNRESOLVABLE_HOST' },
  ])('$what is $code at step $step, with advice, and later steps are not tried', async ({ more, step, code }) => {
    const answer = await createStorage(app, { projectId, location: place(more) })
    expect(answer).toMatchObject({ __typename: 'ConnectionCheckError', code: 'CHECK_FAILED' })
    const at = answer.steps.findIndex(({ status }: { status: string }) => status === 'FAILED')
    expect(answer.steps[at]).toMatchObject({ name: step, code, hint: expect.any(String) })
    for (const later of answer.steps.slice(at + 1)) expect(later.status).toBe('SKIPPED')
  })

  it.for<{ what: string; input: object; path: string }>([
    { what: 'a bad regex', input: { regexFilter: '(' }, path: 'regexFilter' },
    { what: 'a regex that RE2 does not know', input: { regexFilter: '(?=a)' }, path: 'regexFilter' },
    { what: 'a too short lifetime', input: { presignTtlMinutes: 0 }, path: 'presignTtlMinutes' },
    { what: 'a too long lifetime', input: { presignTtlMinutes: 10_081 }, path: 'presignTtlMinutes' },
    { what: 'a bucket with a path', input: { location: { s3: { bucket: 'a/b' } } }, path: 'location.s3.bucket' },
    { what: 'an empty bucket', input: { location: { s3: { bucket: '' } } }, path: 'location.s3.bucket' },
    {
      what: 'an endpoint that is no URL',
      input: { location: { s3: { bucket: 'abc', endpoint: 'x' } } },
      path: 'location.s3.endpoint',
    },
    {
      what: 'an endpoint of another protocol',
      input: { location: { s3: { bucket: 'abc', endpoint: 'ftp://x' } } },
      path: 'location.s3.endpoint',
    },
    {
      what: 'an empty local path',
      input: { location: { localFiles: { path: '' } } },
      path: 'location.localFiles.path',
    },
  ])('$what is an error of its field', async ({ input, path }) => {
    expect(await createStorage(app, { projectId, location: place(), ...input })).toMatchObject({
      __typename: 'ValidationError',
      fieldErrors: expect.arrayContaining([{ path: `input.${path}`, message: expect.any(String) }]),
    })
  })

  it('several errors are reported at once', async () => {
    const answer = await createStorage(app, {
      projectId,
      location: { s3: { bucket: '', endpoint: 'x' } },
      regexFilter: '(',
      presignTtlMinutes: 0,
    })
    expect(new Set(answer.fieldErrors.map(({ path }: { path: string }) => path))).toEqual(
      new Set([
        'input.location.s3.bucket',
        'input.location.s3.endpoint',
        'input.regexFilter',
        'input.presignTtlMinutes',
      ]),
    )
  })

  it.for([
    { path: '../outside', code: 'LOCAL_PATH_OUTSIDE_ROOT' },
    { path: 'inside/../../x', code: 'LOCAL_PATH_OUTSIDE_ROOT' },
    { path: 'link', code: 'LOCAL_PATH_OUTSIDE_ROOT' },
    { path: '.', code: 'LOCAL_PATH_IS_ROOT' },
    { path: '/', code: 'LOCAL_PATH_IS_ROOT' },
    { path: 'nowhere', code: 'LOCAL_PATH_MISSING' },
    { path: 'file', code: 'LOCAL_PATH_MISSING' },
    { path: 'inside', code: 'EMPTY_PREFIX' },
  ])('the local path $path is $code', async ({ path, code }) => {
    const answer = await createStorage(app, { projectId, location: { localFiles: { path } } })
    expect(answer).toMatchObject({ __typename: 'ConnectionCheckError' })
    expect(answer.steps).toContainEqual(expect.objectContaining({ status: 'FAILED', code }))
  })

  it('GraphQL refuses two locations, and no location', async () => {
    const both = { ...place(), localFiles: { path: 'inside' } }
    expect((await faultOf(createStorage(app, { projectId, location: both }))).message).toContain('StorageLocationInput')
    expect((await faultOf(createStorage(app, { projectId, location: {} }))).message).toContain('StorageLocationInput')
  })

  it.each([unknownId('Project'), unknownId('ImportStorage'), 'nonsense'])('the project %s is not found', async (id) => {
    expect(await createStorage(app, { projectId: id, location: place() })).toMatchObject({ code: 'NOT_FOUND' })
    const { syncStorage } = await app.request(
      `mutation ($id: ID!) { syncStorage(input: { storageId: $id }) { ... on Error { code } } }`,
      { id },
    )
    expect(syncStorage).toEqual({ code: 'NOT_FOUND' })
  })
})
