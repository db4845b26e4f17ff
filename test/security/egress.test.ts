import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { createEgressPolicy } from '../../src/security/egress.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createProject, createStorage } from '../support/scenario.ts'

const blocked = { code: 'BLOCKED_ADDRESS' }

describe('the egress policy', () => {
  const policy = createEgressPolicy(readConfig({}).EGRESS_BLOCKED)

  it('keeps off the metadata services of clouds, however their address is written', async () => {
    for (const host of ['169.254.169.254', '[fd00:ec2::254]', '::ffff:169.254.169.254', 'fe80::1']) {
      await expect(policy.allow([host]), host).rejects.toMatchObject(blocked)
    }
    await expect(policy.allow(['127.0.0.1', '10.0.0.1', '::1', 'localhost'])).resolves.toBeUndefined()
  })

  it('looks at every address that a name has', async () => {
    await expect(createEgressPolicy(['127.0.0.0/8', '::1']).allow(['localhost'])).rejects.toMatchObject(blocked)
  })

  it('leaves a name without an address to the connection', async () => {
    await expect(policy.allow(['nowhere.invalid'])).resolves.toBeUndefined()
  })

  it('is not made from what is no network', () => {
    expect(() => readConfig({ EGRESS_BLOCKED: '10.0.0.0/8,nonsense' })).toThrow('EGRESS_BLOCKED')
    expect(readConfig({ EGRESS_BLOCKED: ' 10.0.0.1 , ::/0 ' }).EGRESS_BLOCKED).toEqual(['10.0.0.1', '::/0'])
  })
})

describe('a blocked address', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startTestApp({ EGRESS_BLOCKED: '127.0.0.0/8' })
  })
  afterAll(() => app?.stop())

  it('is the step EGRESS of a check, for every provider that is told a host', async () => {
    const projectId = await createProject(app)
    const url = 'http://127.0.0.1:9'
    const locations = [
      { s3: { bucket: 'bucket', endpoint: url, accessKeyId: 'k', secretAccessKey: 's' } },
      { s3: { bucket: 'bucket', roleArn: 'arn:aws:iam::1:role/r', stsEndpoint: url } },
      { gcs: { bucket: 'bucket', endpoint: url, anonymous: true } },
      { azureBlob: { account: 'account', container: 'container', endpoint: `${url}/account`, anonymous: true } },
      { redis: { host: '127.0.0.1', db: 1 } },
    ]
    for (const location of locations) {
      const made = await createStorage(app, { projectId, location })
      expect(made.steps, JSON.stringify(made)).toContainEqual(
        expect.objectContaining({ name: 'EGRESS', status: 'FAILED', code: 'BLOCKED_ADDRESS' }),
      )
      expect(made.steps[0]).toMatchObject({ name: 'CONFIGURATION', status: 'OK' })
    }
  })
})
