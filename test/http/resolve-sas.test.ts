import { ContainerSASPermissions } from '@azure/storage-blob'
import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { type AzureServer, startAzure } from '@sluice/testkit/azure.ts'
import { createProject, createStorage } from '@sluice/testkit/scenario.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

describe('an Azure storage with a SAS token', () => {
  let app: TestApp
  let azure: AzureServer
  let sasToken: string
  let project: string
  beforeAll(async () => {
    ;[app, azure] = await Promise.all([startTestApp(), startAzure()])
    const container = await azure.createContainer('photos')
    for (const key of ['in/a.txt', 'out/b.txt']) await container.getBlockBlobClient(key).upload('hello', 5)
    const expiresOn = new Date(Date.now() + 3_600_000)
    const permissions = ContainerSASPermissions.parse('rl')
    sasToken = new URL(await container.generateSasUrl({ version: '2020-12-06', permissions, expiresOn })).search
    project = await createProject(app)
  })
  afterAll(async () => {
    await Promise.all([app?.stop(), azure?.stop()])
  })

  it('is streamed through links, no response contains the token, and the check explains it', async () => {
    const { account, endpoint } = azure
    const location = { azureBlob: { account, endpoint, container: 'photos', prefix: 'in/', sasToken } }
    const { checkStorage } = await app.request(
      `mutation ($input: CheckStorageInput!) { checkStorage(input: $input) {
        ... on CheckStorageSuccess { check { ok steps { name status message } } } } }`,
      { input: { projectId: project, location, presign: true } },
    )
    expect(checkStorage.check.ok).toBe(true)
    expect(checkStorage.check.steps.find(({ name }: { name: string }) => name === 'PRESIGN')).toEqual({
      name: 'PRESIGN',
      status: 'SKIPPED',
      message: expect.stringContaining('streamed'),
    })
    const made = await createStorage(app, { projectId: project, location, presign: true, presignTtlMinutes: 1 })
    expect(made.storage).toBeDefined()

    const uri = 'azure-blob://photos/in/a.txt'
    const { resolveUris } = await app.request(
      'query ($id: ID!, $uris: [String!]!) { resolveUris(projectId: $id, uris: $uris) { mode url } }',
      { id: project, uris: [uri] },
    )
    expect(resolveUris[0].mode).toBe('PROXY')
    const [, number] = Buffer.from(project, 'base64').toString().split(':')
    const link = `${app.url}/projects/${number}/resolve/?fileuri=${Buffer.from(uri).toString('base64url')}`
    const answers = []
    for (const path of [link, link.replace('/resolve/', '/presign/')]) {
      const answer = await fetch(path, { redirect: 'manual', headers: { authorization: `Bearer ${app.token}` } })
      expect(answer.status).toBe(200)
      expect(answer.headers.get('location')).toBeNull()
      expect(await answer.text()).toBe('hello')
      answers.push([...answer.headers])
    }
    const seen = decodeURIComponent(JSON.stringify([answers, resolveUris, checkStorage, made]))
    const signature = new URLSearchParams(sasToken).get('sig')!
    expect(signature.length).toBeGreaterThan(20)
    expect(seen).not.toContain(signature)
  })
})
