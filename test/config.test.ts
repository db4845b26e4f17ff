import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { secretSettings } from '../src/config/secret-files.ts'
import { ConfigError, readConfig, settings } from '../src/config.ts'

const faultsOf = (env: Record<string, string>): string[] => {
  try {
    readConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

describe('the settings', () => {
  it('have defaults for everything', () => {
    expect(readConfig({})).toMatchObject({
      PORT: 4000,
      HOST: '127.0.0.1',
      DATA_DIR: resolve('data'),
      SLUICE_ROLES: ['api', 'worker'],
      STORAGE_IN_PROGRESS_TIMER: 5,
      RESOLVER_PROXY_TIMEOUT: 10,
      RESOLVER_PROXY_MAX_RANGE_SIZE: 7_340_032,
      RESOLVER_PROXY_CACHE_TIMEOUT: 3_600,
    })
    for (const name of ['DATABASE_URL', 'GRAPHIQL', 'INTROSPECTION', 'LOCAL_FILES_ROOT', 'LINKS_URL'] as const) {
      expect(readConfig({})[name]).toBeUndefined()
    }
  })

  it('treat empty values as unset and ignore other variables', () => {
    expect(readConfig({ PORT: '', DATABASE_URL: '', PATH: '/bin' })).toEqual(readConfig({}))
  })

  it('are parsed into their types', () => {
    expect(
      readConfig({
        PORT: '0',
        GRAPHIQL: 'false',
        INTROSPECTION: '0',
        PUBLIC_URL: 'https://x.example/',
        DATA_DIR: 'd',
        SLUICE_ROLES: ' worker, ',
      }),
    ).toMatchObject({
      PORT: 0,
      GRAPHIQL: false,
      INTROSPECTION: false,
      PUBLIC_URL: 'https://x.example',
      DATA_DIR: resolve('d'),
      SLUICE_ROLES: ['worker'],
    })
  })

  it('report all errors at once, each with its name, and repeat no value', () => {
    const bad = {
      PORT: '70000',
      PUBLIC_URL: 'ftp://hidden.example',
      DATABASE_URL: 'mysql://user:hidden-password@db',
      SECRET_KEY: 'hidden-key',
      ADMIN_TOKEN: 'hidden-token',
      SLUICE_ROLES: 'api,hidden-role',
      LOG_LEVEL: 'hidden-level',
      GRAPHIQL: 'hidden-flag',
      WORKER_CONCURRENCY: '0',
      READ_CONCURRENCY: '1.5',
      STORAGE_IN_PROGRESS_TIMER: 'hidden-number',
      RESOLVER_PROXY_TIMEOUT: '-1',
    }
    const faults = faultsOf(bad)
    expect(faults.map((fault) => fault.split(':')[0]).sort()).toEqual(Object.keys(bad).sort())
    expect(faults.join('\n')).not.toContain('hidden')
  })

  it('all have a description', () => {
    for (const [name, setting] of Object.entries(settings.shape)) expect(setting.description, name).toBeTruthy()
  })
})

describe('secrets in files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-secrets-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  const file = (name: string, content: string) => {
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }

  it('are read for every setting that holds a secret', () => {
    const values = {
      DATABASE_URL: 'postgres://sluice:pass@db/sluice',
      DATABASE_SESSION_URL: 'postgres://sluice:pass@db:5433/sluice',
      JOBS_URL: 'mongodb://sluice:pass@mongo/sluice',
      SECRET_KEY: 'k'.repeat(32),
      ADMIN_TOKEN: 't'.repeat(24),
      METRICS_TOKEN: 'm'.repeat(16),
    }
    expect(Object.keys(values)).toEqual(secretSettings)
    const env = Object.entries(values).map(([name, value]) => [`${name}_FILE`, file(name, `${value}\n`)])
    expect(readConfig(Object.fromEntries(env))).toEqual(readConfig(values))
  })

  it('keep everything but one line break at the end', () => {
    const key = ` ${'k'.repeat(32)} \n`
    expect(readConfig({ SECRET_KEY_FILE: file('key', `${key}\r\n`) }).SECRET_KEY).toBe(key)
  })

  it('count as unset when the variable is empty', () => {
    expect(readConfig({ SECRET_KEY_FILE: '' })).toEqual(readConfig({}))
    expect(readConfig({ SECRET_KEY: '', SECRET_KEY_FILE: file('k2', 'k'.repeat(32)) }).SECRET_KEY).toBe('k'.repeat(32))
  })

  it('are refused when both are set, the file is missing, empty or a folder, or its content is wrong', () => {
    const faults = faultsOf({
      SECRET_KEY: 'k'.repeat(32),
      SECRET_KEY_FILE: file('k3', 'hidden'),
      ADMIN_TOKEN_FILE: join(folder, 'missing'),
      METRICS_TOKEN_FILE: file('empty', '\n'),
      JOBS_URL_FILE: folder,
      DATABASE_URL_FILE: file('url', 'mysql://hidden'),
    })
    expect(faults.toSorted()).toEqual([
      'ADMIN_TOKEN_FILE: the file cannot be read (ENOENT)',
      'DATABASE_URL: must be a postgres:// or postgresql:// URL',
      'JOBS_URL_FILE: the file cannot be read (EISDIR)',
      'METRICS_TOKEN_FILE: the file is empty',
      'SECRET_KEY_FILE: SECRET_KEY is set too; set only one of them',
    ])
  })
})
