import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
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
      GRAPHIQL: true,
      INTROSPECTION: true,
      SLUICE_ROLES: ['api', 'worker'],
      STORAGE_IN_PROGRESS_TIMER: 5,
      RESOLVER_PROXY_TIMEOUT: 10,
      RESOLVER_PROXY_MAX_RANGE_SIZE: 7_340_032,
      RESOLVER_PROXY_CACHE_TIMEOUT: 3_600,
    })
    expect(readConfig({}).DATABASE_URL).toBeUndefined()
  })

  it('take empty values as unset and foreign variables as none of theirs', () => {
    expect(readConfig({ PORT: '', DATABASE_URL: '', PATH: '/bin' })).toEqual(readConfig({}))
  })

  it('are read as what they are', () => {
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

  it('tell all faults at once, each with its name, and repeat no value', () => {
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

  it('all say what they mean', () => {
    for (const [name, setting] of Object.entries(settings.shape)) expect(setting.description, name).toBeTruthy()
  })
})
