import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { secretSettings } from '../../src/config/secret-files.ts'
import { readConfig, settings } from '../../src/config.ts'
import { isLocalMode } from '../../src/security/local-mode.ts'
import { imagesIn, parseImage } from '../../supply-chain/image-reference.ts'

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')

interface Service {
  image?: string
  build?: string
  environment?: Record<string, string>
  healthcheck?: { test: string[] }
  depends_on?: Record<string, unknown>
  volumes?: string[]
  deploy?: { replicas: number }
  ports?: string[]
  secrets?: string[]
  profiles?: string[]
  user?: string
  read_only?: boolean
  cap_drop?: string[]
  cap_add?: string[]
  privileged?: boolean
  security_opt?: string[]
  mem_limit?: string
  pids_limit?: number
  cpus?: number
}

const root = fileURLToPath(new URL('../..', import.meta.url))

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true })
})

/** Runs create-secrets.sh in a folder of its own, and returns the folder. */
function createSecrets(folder = mkdtempSync(`${tmpdir()}/sluice-compose-`)): string {
  if (!folders.includes(folder)) folders.push(folder)
  cpSync(`${root}create-secrets.sh`, `${folder}/create-secrets.sh`)
  execFileSync(`${folder}/create-secrets.sh`)
  return folder
}

describe('docker-compose.yml', () => {
  const compose = parse(read('docker-compose.yml'), { merge: true }) as {
    services: Record<string, Service>
    volumes: Record<string, unknown>
    secrets: Record<string, { file: string }>
  }
  const names = Object.keys(compose.services)
  const services = Object.entries(compose.services)
  const { server, worker } = compose.services

  it('gives every service a health check', () => {
    for (const { healthcheck } of Object.values(compose.services)) expect(healthcheck?.test[0]).toBe('CMD')
  })

  it('starts a server and two workers with valid settings, and secrets from files', () => {
    const folder = createSecrets()
    for (const { environment } of [server!, worker!]) {
      const known = [...Object.keys(settings.shape), ...secretSettings.map((name) => `${name}_FILE`)]
      expect(known).toEqual(expect.arrayContaining(Object.keys(environment!)))
      const inFolder = Object.entries(environment!).map(([name, value]) => [
        name,
        value.replace('/run/secrets/', `${folder}/secrets/`),
      ])
      const config = readConfig(Object.fromEntries(inFolder))
      for (const url of [config.DATABASE_URL!, config.JOBS_URL!]) expect(names).toContain(new URL(url).hostname)
      expect(isLocalMode(config)).toBe(false)
    }
    expect(server!.environment!.SLUICE_ROLES).toBe('api')
    expect(worker!.environment!.SLUICE_ROLES).toBe('worker')
    expect(worker!.deploy).toEqual({ replicas: 2 })
  })

  it('publishes only the API, to this machine only', () => {
    const published = services.flatMap(([name, { ports = [] }]) => ports.map((port) => `${name} ${port}`))
    expect(published).toEqual(['server 127.0.0.1:4000:4000'])
  })

  it('starts emulators on request only', () => {
    const always = services.filter(([, { profiles }]) => !profiles).map(([name]) => name)
    expect(always).toEqual(['server', 'worker', 'postgres', 'mongo'])
    for (const [, { profiles = ['emulators'] }] of services) expect(profiles).toEqual(['emulators'])
  })

  it.each(services)(
    '%s runs without root, capabilities or a writable root file system, and within limits',
    (_, one) => {
      expect(one.user).toMatch(/^[1-9]\d*:[1-9]\d*$/)
      expect(one).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] })
      expect(one).not.toHaveProperty('privileged')
      expect(one).not.toHaveProperty('cap_add')
      expect(one).not.toHaveProperty('network_mode')
      expect(one.mem_limit).toMatch(/^\d+[mg]$/)
      expect(one.pids_limit).toBeGreaterThan(0)
      expect(one.cpus).toBeGreaterThan(0)
      for (const mounted of one.volumes ?? []) expect(mounted).not.toMatch(/docker\.sock|^\/|^\.:/)
    },
  )

  it('contains no secret: secrets are files, and each service gets only those that it reads', () => {
    for (const [name, { file }] of Object.entries(compose.secrets)) expect(file).toBe(`./secrets/${name}`)
    for (const [name, { environment = {}, secrets = [] }] of services) {
      expect(Object.keys(compose.secrets), name).toEqual(expect.arrayContaining(secrets))
      for (const [setting, value] of Object.entries(environment)) {
        if (/_FILE$/.test(setting)) expect(secrets).toContain(value.replace('/run/secrets/', ''))
        else expect(`${setting}=${value}`).not.toMatch(/PASSWORD|SECRET|TOKEN|KEY|:\/\/[^/]*@/i)
      }
    }
  })

  it('reads the secrets that create-secrets.sh creates and does not overwrite', () => {
    const folder = createSecrets()
    const contents = () =>
      readdirSync(`${folder}/secrets`).map((name) => [name, readFileSync(`${folder}/secrets/${name}`, 'utf8')])
    const before = contents()
    expect(before.map(([name]) => name)).toEqual(Object.keys(compose.secrets).toSorted())
    expect(new Set(before.map(([, content]) => content)).size).toBe(before.length)
    expect(statSync(`${folder}/secrets`).mode & 0o777).toBe(0o700)
    createSecrets(folder)
    expect(contents()).toEqual(before)
    const value = Object.fromEntries(before.map(([name, content]) => [name!, content!.trim()]))
    expect(new URL(value['database-url']!).password).toBe(value['postgres-password'])
    expect(new URL(value['jobs-url']!).password).toBe(value['mongo-password'])
    for (const name of ['postgres-password', 'mongo-password', 'secret-key', 'admin-token']) {
      expect(value[name]).toMatch(/^[0-9a-f]{64}$/)
    }
    expect(read('.gitignore')).toMatch(/^\/secrets\/$/m)
  })

  it('names every image by an exact version, as the Dockerfile does', () => {
    const images = [...imagesIn(read('Dockerfile')), ...imagesIn(read('docker-compose.yml'), ['sluice'])]
    expect(images.length).toBeGreaterThan(6)
    for (const image of images) expect(parseImage(image).tag, image).toMatch(/^\d+\.\d+\.\d+|^18\.\d+-/)
  })

  it('waits for services and mounts volumes that it has', () => {
    for (const { depends_on = {} } of Object.values(compose.services)) {
      expect(names).toEqual(expect.arrayContaining(Object.keys(depends_on)))
    }
    const mounted = Object.values(compose.services).flatMap(({ volumes = [] }) => volumes.map((v) => v.split(':')[0]!))
    const own = new Set(mounted.filter((name) => !name.startsWith('.')))
    expect([...own].toSorted()).toEqual(Object.keys(compose.volumes).toSorted())
  })
})

describe('Dockerfile', () => {
  it('copies only what .dockerignore lets through', () => {
    const allowed = read('.dockerignore')
      .split('\n')
      .flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []))
    const copied = [...read('Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, names]) =>
      names!.split(' '),
    )
    expect([...new Set(copied)].toSorted()).toEqual(allowed.toSorted())
  })

  it('uses the Node version that package.json has, and runs no install script', () => {
    const { node } = JSON.parse(read('package.json')).devDependencies
    const image = expect.stringContaining(`node:${node}-`)
    expect(imagesIn(read('Dockerfile'))).toEqual([image, image])
    expect(read('Dockerfile')).toMatch(/^RUN npm ci --ignore-scripts$/m)
  })

  it('runs as a numeric user, so that runAsNonRoot can be enforced', () => {
    expect(read('Dockerfile').match(/^USER .+$/gm)).toEqual(['USER 1000:1000'])
  })

  it('bounds the memory of Node as npm start and npm run bench do', () => {
    const { scripts } = JSON.parse(read('package.json'))
    const flagsOf = (command: string) => command.match(/--(?:max|heap|no)-[\w-]+(?:=\d+)?/g)
    const flags = flagsOf(scripts.start)
    expect(flags?.length).toBe(3)
    expect(flagsOf(scripts.bench)).toEqual(flags)
    const lines = read('Dockerfile').split('\n')
    expect(flagsOf(lines.findLast((line) => line.startsWith('CMD '))!)).toEqual(flags)
    const [arenas] = scripts.start.match(/MALLOC_ARENA_MAX=\d/)
    expect(lines.find((line) => line.startsWith('ENV '))).toContain(` ${arenas}`)
  })
})
