import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { readConfig, settings } from '../../src/config.ts'

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')
type Tree = { [name: string]: Tree | string | string[] }

/** The part of YAML that docker-compose.yml keeps to: nested maps by indentation, flow lists and plain or quoted texts. */
function parse(yaml: string): Tree {
  const root: Tree = {}
  const open: { indent: number; tree: Tree }[] = [{ indent: -1, tree: root }]
  for (const line of yaml.split('\n').filter((text) => text.trim() && !text.trim().startsWith('#'))) {
    const [, space, name, value] = /^( *)([\w-]+):(?: (.+))?$/.exec(line) ?? []
    if (name === undefined) throw new Error(`Not understood: ${line}`)
    while (open.at(-1)!.indent >= space!.length) open.pop()
    const { tree } = open.at(-1)!
    if (value === undefined) {
      const child: Tree = {}
      tree[name] = child
      open.push({ indent: space!.length, tree: child })
    } else tree[name] = /^["[]/.test(value) ? JSON.parse(value) : value
  }
  return root
}

describe('docker-compose.yml', () => {
  const compose = parse(read('docker-compose.yml')) as unknown as {
    services: Record<
      string,
      { healthcheck?: { test: string[] }; depends_on?: Tree; volumes?: string[]; environment?: Tree }
    >
    volumes: Tree
  }
  const { server, ...others } = compose.services

  it('gives every service a health check', () => {
    for (const { healthcheck } of Object.values(compose.services)) expect(healthcheck?.test[0]).toBe('CMD')
  })

  it('starts the server with settings that it knows and takes', () => {
    expect(Object.keys(settings.shape)).toEqual(expect.arrayContaining(Object.keys(server!.environment!)))
    const config = readConfig(server!.environment as Record<string, string>)
    expect(Object.keys(others)).toContain(new URL(config.DATABASE_URL!).hostname)
  })

  it('waits for services and mounts volumes that it has', () => {
    expect(Object.keys(others)).toEqual(expect.arrayContaining(Object.keys(server!.depends_on!)))
    const mounted = Object.values(compose.services).flatMap(({ volumes = [] }) => volumes.map((v) => v.split(':')[0]!))
    expect(mounted.filter((name) => !name.startsWith('.')).toSorted()).toEqual(Object.keys(compose.volumes).toSorted())
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
})
