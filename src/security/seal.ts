import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

/** Encrypts and decrypts short texts for the database. */
export interface Sealer {
  /** Encrypts a text. Only a sealer with the same key can read it, and only with the same `context` (such as its row). */
  seal(plain: string, context: string): string
  /** @throws Error if the key or the context differs, or the text was changed. */
  unseal(sealed: string, context: string): string
}

/** AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce; the key comes from `secretKey` by HKDF-SHA-256 (RFC 5869). */
export function createSealer(secretKey: string): Sealer {
  const key = Buffer.from(hkdfSync('sha256', secretKey, '', 'sluice/storage-secrets/v1', 32))
  return {
    seal(plain, context) {
      const nonce = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context))
      const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
      return `v1.${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')}`
    },
    unseal(sealed, context) {
      if (!sealed.startsWith('v1.')) throw new Error('This is not a sealed text.')
      const bytes = Buffer.from(sealed.slice(3), 'base64url')
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12)).setAAD(Buffer.from(context))
      decipher.setAuthTag(bytes.subarray(12, 28))
      return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8')
    },
  }
}
