import { expect, test } from 'vitest'
import { networkError } from '../../src/providers/network-error.ts'

test.for([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_HAS_EXPIRED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'EPROTO',
])('%s is TLS_FAILED, also as the cause of another error', (code) => {
  const fault = Object.assign(new Error('from the socket'), { code })
  expect(networkError(fault)).toMatchObject({ code: 'TLS_FAILED', cause: fault })
  expect(networkError(new Error('from a client', { cause: fault }))).toMatchObject({ code: 'TLS_FAILED' })
})
