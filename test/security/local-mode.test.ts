import { describe, expect, it } from 'vitest'
import { isLocalMode, isLoopbackName } from '../../src/security/local-mode.ts'

const both = ['api', 'worker'] as ('api' | 'worker')[]

describe('local mode', () => {
  it.each([
    ['127.0.0.1', undefined],
    ['::1', undefined],
    ['localhost', 'http://localhost:4000'],
    ['127.0.0.1', 'http://[::1]:4000'],
    ['127.0.0.1', 'http://sluice.localhost'],
  ])('is active with HOST %s and PUBLIC_URL %s', (HOST, PUBLIC_URL) => {
    expect(isLocalMode({ HOST, PUBLIC_URL, SLUICE_ROLES: both })).toBe(true)
  })

  it.each([
    ['0.0.0.0', undefined, both],
    ['::', undefined, both],
    ['192.168.1.5', undefined, both],
    ['127.0.0.1', 'https://label.example.com', both],
    ['127.0.0.1', 'http://127.0.0.1.example.com', both],
    ['127.0.0.1', undefined, ['worker']],
    ['127.0.0.1', undefined, ['api']],
  ] as const)('is not active with HOST %s, PUBLIC_URL %s and roles %s', (HOST, PUBLIC_URL, roles) => {
    expect(isLocalMode({ HOST, PUBLIC_URL, SLUICE_ROLES: [...roles] })).toBe(false)
  })

  it.each(['localhost', 'LOCALHOST', 'a.localhost', '127.9.9.9', '[::1]'])('counts %s as loopback', (name) => {
    expect(isLoopbackName(name)).toBe(true)
  })

  it.each(['localhost.example.com', '128.0.0.1', '::2', '', '0.0.0.0'])('does not count "%s" as loopback', (name) => {
    expect(isLoopbackName(name)).toBe(false)
  })
})
