import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { createSealer } from '../../src/security/seal.ts'
import { loadSecretKey } from '../../src/security/secret-key.ts'

describe('a sealed text', () => {
  const sealer = createSealer('a key of thirty-two characters!!')

  it('is unsealed unchanged, for any content', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (text, context) => {
        expect(sealer.unseal(sealer.seal(text, context), context)).toBe(text)
      }),
    )
  })

  it('differs every time, and does not reveal its content', () => {
    const [one, two] = [sealer.seal('hello', 'x'), sealer.seal('hello', 'x')]
    expect(one).not.toBe(two)
    expect(Buffer.from(one.slice(3), 'base64url').toString('latin1')).not.toContain('hello')
  })

  it('cannot be unsealed with another key or context, or after a change', () => {
    const sealed = sealer.seal('hello', 'project:1')
    expect(() => createSealer('another key of 32 characters!!!!').unseal(sealed, 'project:1')).toThrow()
    expect(() => sealer.unseal(sealed, 'project:2')).toThrow()
    const bytes = Buffer.from(sealed.slice(3), 'base64url')
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes)
      changed[at]! ^= 1
      expect(() => sealer.unseal(`v1.${changed.toString('base64url')}`, 'project:1')).toThrow()
    }
    for (const other of ['', 'v1.', 'v2.abc', 'hello', sealed.slice(0, 20)])
      expect(() => sealer.unseal(other, 'project:1')).toThrow()
  })
})

describe('the secret key of a data folder', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-key-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('is created once, readable only by its owner, also in a folder that does not exist yet', () => {
    const deep = join(folder, 'a/b')
    const key = loadSecretKey(deep)
    expect(key.length).toBeGreaterThanOrEqual(32)
    expect(loadSecretKey(deep)).toBe(key)
    expect(statSync(join(deep, 'secret.key')).mode & 0o777).toBe(0o600)
    expect(loadSecretKey(join(folder, 'c'))).not.toBe(key)
  })
})
