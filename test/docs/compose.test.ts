import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { readConfig, settings } from '../../src/config.ts'

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')

interface Service {
  environment?: Record<string, string>
  healthcheck?: { test: string[] }
  depends_on?: Record<string, unknown>
  volumes?: string[]
  deploy?: { replicas: number }
}

describe('docker-compose.yml', () => {
  const compose = parse(read('docker-compose.yml'), { merge: true }) as {
    services: Record<string, Service>
    volumes: Record<string, unknown>
  }
  const names = Object.keys(compose.services)
  const { server, worker } = compose.services

  it('gives every service a health check', () => {
    for (const { healthcheck } of Object.values(compose.services)) expect(healthcheck?.test[0]).toBe('CMD')
  })

  it('starts a server and two workers with settings that they know and take', () => {
    for (const { environment } of [server!, worker!]) {
      expect(Object.keys(settings.shape)).toEqual(expect.arrayContaining(Object.keys(environment!)))
      const config = readConfig(environment!)
      for (const url of [config.DATABASE_URL!, config.JOBS_URL!]) expect(names).toContain(new URL(url).hostname)
    }
    expect(readConfig(server!.environment!).SLUICE_ROLES).toEqual(['api'])
    expect(readConfig(worker!.environment!).SLUICE_ROLES).toEqual(['worker'])
    expect(worker!.deploy).toEqual({ replicas: 2 })
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
    const copied = [...read('Dockerfile').matchAll(/^COPY (.+) \S+$/gm)].flatMap(([, names]) => names!.split(' '))
    expect(copied.toSorted()).toEqual(allowed.toSorted())
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
