import { onTestFinished } from 'vitest'
import { gcs } from '../../src/providers/gcs/kind.ts'
import { nameFault } from '../support/gcs-bucket.ts'
import { describeProvider } from './conformance.ts'
const endpoint = 'http://127.0.0.1:14443'
let n = Date.now()
describeProvider('fake-gcs-server', { presign: false, keyOrder: 'bytes', prefix: 'literal', folderMarkers: true, contentType: 'as written',
  cannotHold: { 'a line break': 'x', 'only dots': 'x' }, cannotPresign: {}, holds: (key) => nameFault(key) === undefined }, async () => {
  const bucket = `b-${n++}`
  await fetch(`${endpoint}/storage/v1/b`, { method: 'POST', body: JSON.stringify({ name: bucket }) })
  return { base: '', open: async (prefix = '') => gcs.open(gcs.location.parse({ bucket, prefix, endpoint, anonymous: true }), {}, {}),
    put: async (key, body) => { const r = await fetch(`${endpoint}/upload/storage/v1/b/${bucket}/o?uploadType=media&name=${encodeURIComponent(key)}`, { method: 'POST', body: body as never }); if (!r.ok) throw new Error(await r.text()) } }
})
