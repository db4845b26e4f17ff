import { annotate, createTasks } from '@sluice/testkit/annotate.ts'
import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { type Eavesdropper, startEavesdropper } from '@sluice/testkit/eavesdropper.ts'
import { createTarget, exportAll } from '@sluice/testkit/exports.ts'
import { type GcsServer, startGcs } from '@sluice/testkit/gcs.ts'
import { createProject, createStorage, sync } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { providers } from '../../src/providers/registry.ts'
import { type BoundCase, boundCases } from './bound-cases.ts'

const fault = '... on Error { code message } ... on ValidationError { fieldErrors { path code message } }'
const steps = 'steps { name status code message }'
const checking = `mutation ($input: CheckStorageInput!) { answer: checkStorage(input: $input) {
  ... on CheckStorageSuccess { check { ok ${steps} } } ${fault} } }`
const updating = (kind: string) => `mutation ($input: Update${kind}Input!) { answer: update${kind}(input: $input) {
  ... on Update${kind}Success { storage { id } } ${fault} ... on ConnectionCheckError { ${steps} } } }`
const previewing = `query ($input: PreviewObjectsInput!) { answer: previewObjects(input: $input) { isComplete } }`

/** Every query and mutation that takes the location of a stored storage. */
const operations = [
  { name: 'checkStorage', of: 'IMPORT', document: checking, more: {} },
  { name: 'checkStorage as a target', of: 'IMPORT', document: checking, more: { direction: 'EXPORT' } },
  { name: 'checkStorage of a target', of: 'EXPORT', document: checking, more: {} },
  { name: 'updateImportStorage', of: 'IMPORT', document: updating('ImportStorage'), more: {} },
  {
    name: 'updateImportStorage, unchecked',
    of: 'IMPORT',
    document: updating('ImportStorage'),
    more: { skipCheck: true, allowOverlap: true },
  },
  { name: 'updateExportStorage', of: 'EXPORT', document: updating('ExportStorage'), more: {} },
  {
    name: 'updateExportStorage, unchecked',
    of: 'EXPORT',
    document: updating('ExportStorage'),
    more: { skipCheck: true, allowOverlap: true },
  },
  { name: 'previewObjects', of: 'IMPORT', document: previewing, more: {} },
] as const

describe('stored secrets', () => {
  let app: TestApp
  let gcs: GcsServer
  let evil: Eavesdropper
  /** The place for which the secrets were entered. */
  let home: Eavesdropper
  let cases: BoundCase[]
  beforeAll(async () => {
    ;[app, gcs, evil, home] = await Promise.all([startTestApp(), startGcs(), startEavesdropper(), startEavesdropper()])
    cases = boundCases(evil, { host: home.host, port: home.port }, gcs)
  })
  afterAll(async () => {
    await Promise.all([app?.stop(), gcs?.stop(), evil?.stop(), home?.stop()])
  })

  /** The answer, or the first error of the request, in the shape of an answer. */
  const ask = async (document: string, input: object) => {
    try {
      return (await app.request(document, { input })).answer
    } catch (error) {
      const { errors } = error as { errors?: { message: string; extensions: object }[] }
      if (!errors) throw error
      return { message: errors[0]!.message, ...errors[0]!.extensions }
    }
  }

  /** The same place as an import and as an export storage, of two projects. */
  const connect = async (one: BoundCase, more: object = {}) => {
    const location = { [one.input]: { ...one.location, ...one.secrets, ...more } }
    const make = async (create: typeof createStorage, project: string) => {
      const made = await create(app, { projectId: project, location, skipCheck: true, allowDuplicate: true })
      if (!made.storage) throw new Error(`${one.name} was not created: ${JSON.stringify(made)}`)
      return { ...made.storage, project } as { id: string; databaseId: number; project: string }
    }
    return {
      IMPORT: await make(createStorage, await createProject(app)),
      EXPORT: await make(createTarget, await createProject(app)),
    }
  }

  const anywhere = { host: '127.0.0.1', port: 80 } as Eavesdropper
  const anyone = { newAccount: () => ({ keyFile: '' }) } as unknown as GcsServer
  const names = boundCases(anywhere, anywhere, anyone).flatMap(({ name, provider, changes }) =>
    changes.map(({ part }) => ({ name, provider, part })),
  )
  const find = (name: string, part: string) => {
    const found = cases.find((one) => one.name === name)!
    return { found, change: found.changes.find((change) => change.part === part)! }
  }

  it('have a case for every bound part of every provider', () => {
    const tested = new Set(names.map(({ provider, part }) => `${provider} ${part}`))
    const bound = Object.entries(providers).flatMap(([provider, { boundTo }]) =>
      Object.keys(boundTo).map((part) => `${provider} ${part}`),
    )
    expect([...tested].sort()).toEqual(bound.sort())
  })

  it.each(names)('are required again after a change of $part ($name), and are not sent', async ({ name, part }) => {
    const { found, change } = find(name, part)
    const storages = await connect(found)
    evil.clear()
    for (const { name: operation, of, document, more } of operations) {
      for (const given of [{}, ...(found.partial ? [found.partial] : [])]) {
        const location = { [found.input]: { ...found.location, ...change.to, ...given } }
        const answer = await ask(document, { id: storages[of].id, ...more, location })
        expect(answer, operation).toMatchObject({ code: 'VALIDATION' })
        const required = answer.fieldErrors.filter(({ code }: { code: string }) => code === 'SECRETS_REQUIRED')
        const missing = Object.keys(found.secrets).filter((secret) => !(secret in given))
        const outdated = 'accessKeyId' in given ? ['sessionToken'] : []
        expect(required.map(({ path }: { path: string }) => path).sort(), operation).toEqual(
          missing
            .filter((secret) => !outdated.includes(secret))
            .map((secret) => `input.location.${found.input}.${secret}`)
            .sort(),
        )
        for (const { message } of required) {
          expect(message).toContain(part)
          expect(message).toContain('must be entered again')
        }
      }
    }
    expect(evil.received).toBe('')
    const rows = await query(app.databaseUrl, 'select location from storage where id = any($1)', [
      Object.values(storages).map(({ databaseId }) => databaseId),
    ])
    for (const row of rows) expect(row.location).toMatchObject(found.location)

    // Entered again, they are sent there.
    const location = { [found.input]: { ...found.location, ...change.to, ...found.secrets } }
    const answer = await ask(checking, { id: storages.IMPORT.id, location })
    expect(answer.check.ok).toBe(false)
    if (change.reachesEavesdropper) expect(evil.received).not.toBe('')
  })

  it.each([...new Set(names.map(({ name }) => name))])(
    'remain while the bound parts are only spelled differently (%s)',
    async (name) => {
      const found = cases.find((one) => one.name === name)!
      const { IMPORT } = await connect(found)
      const respelled = Object.fromEntries(
        Object.entries(found.location).map(([field, value]) => [
          field,
          String(value).startsWith('http:') ? `${String(value).replace('http', 'HTTP')}/` : value,
        ]),
      )
      const more =
        found.provider === 'S3' ? { bucket: 'others', prefix: 'a/', region: 'eu-west-1', requestPayer: true } : {}
      const location = { [found.input]: { ...respelled, ...more } }
      expect(await ask(updating('ImportStorage'), { id: IMPORT.id, skipCheck: true, location })).toEqual({
        storage: { id: IMPORT.id },
      })
      const { check } = await ask(checking, { id: IMPORT.id })
      expect(check.steps[0]).toMatchObject({ name: 'CONFIGURATION', status: 'OK' })
    },
  )

  it.each(names)('cannot be used once $part ($name) was changed by SQL', async ({ name, part }) => {
    const { found, change } = find(name, part)
    const storages = await connect(found)
    const [task] = await createTasks(app, storages.EXPORT.project, [{ text: 'x' }])
    for (const { databaseId } of Object.values(storages)) {
      await query(app.databaseUrl, 'update storage set location = location || $2 where id = $1', [
        databaseId,
        JSON.stringify(change.to),
      ])
    }
    await annotate(app, [task!])
    await expectUnusable(storages, found)
  })

  it.each(names)(
    'cannot be used by another storage to which SQL copied them ($name, $part)',
    async ({ name, part }) => {
      const { found, change } = find(name, part)
      const storages = await connect(found)
      const others = await connect(found, change.to)
      const [task] = await createTasks(app, others.EXPORT.project, [{ text: 'x' }])
      for (const of of ['IMPORT', 'EXPORT'] as const) {
        await query(
          app.databaseUrl,
          'update storage t set secrets = s.secrets from storage s where t.id = $1 and s.id = $2',
          [others[of].databaseId, storages[of].databaseId],
        )
      }
      await annotate(app, [task!])
      await expectUnusable(others, found)
    },
  )

  /** In every use of the storages the secrets are refused, and the eavesdropper receives nothing. */
  async function expectUnusable(storages: Awaited<ReturnType<typeof connect>>, { provider, location }: BoundCase) {
    evil.clear()
    const words = 'The stored credentials cannot be read'
    expect(await sync(app, storages.IMPORT.id)).toMatchObject({
      status: 'FAILED',
      failure: expect.stringContaining(words),
    })
    expect(await exportAll(app, storages.EXPORT.id)).toMatchObject({
      status: 'FAILED',
      failure: expect.stringContaining(words),
    })
    for (const { id } of Object.values(storages)) {
      const { check } = await ask(checking, { id })
      expect(check.steps.filter(({ status }: { status: string }) => status === 'FAILED')).toMatchObject([
        { code: 'BAD_CREDENTIALS', message: expect.stringContaining(words) },
      ])
    }
    expect(await ask(previewing, { id: storages.IMPORT.id })).toMatchObject({ code: 'BAD_CREDENTIALS' })
    // The user sees why, and is not locked out.
    const title = { id: storages.IMPORT.id, title: 'New', skipCheck: true }
    expect(await ask(updating('ImportStorage'), title)).toMatchObject({ storage: { id: storages.IMPORT.id } })
    const { uriScheme, place } = providers[provider]
    const [row] = await query(app.databaseUrl, 'select location from storage where id = $1', [
      storages.IMPORT.databaseId,
    ])
    const uri = `${uriScheme}://${place({ prefix: '', path: '', ...location, ...row.location }).bucket}/a.jpg`
    const [, project] = Buffer.from(storages.IMPORT.project, 'base64').toString().split(':')
    const link = `${app.url}/projects/${project}/resolve/?fileuri=${Buffer.from(uri).toString('base64url')}`
    for (const method of ['GET', 'HEAD']) {
      const answer = await fetch(link, {
        method,
        redirect: 'manual',
        headers: { authorization: `Bearer ${app.token}` },
      })
      expect(answer.status).toBe(502)
      if (method === 'GET') expect(await answer.json()).toMatchObject({ code: 'BAD_CREDENTIALS' })
    }
    expect(evil.received).toBe('')
  }
})
