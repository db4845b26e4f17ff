import { generateKeyPairSync, sign } from 'node:crypto'

/** A certificate for `localhost` (or another `host`) and 127.0.0.1 that signs itself, and its key, both as PEM; good for a day. */
export function makeCertificate(host = 'localhost'): { cert: string; key: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  // RFC 5280 §4.1 in DER; the only algorithm is ecdsa-with-SHA256 (RFC 5758 §3.2).
  const algorithm = sequence(der(0x06, '2a8648ce3d040302'))
  const name = sequence(der(0x31, sequence(der(0x06, '550403'), der(0x0c, Buffer.from(host)))))
  const day = 24 * 60 * 60_000
  const validity = sequence(time(Date.now() - day), time(Date.now() + day))
  const names = sequence(der(0x82, Buffer.from(host)), der(0x87, '7f000001'))
  const extensions = sequence(
    sequence(der(0x06, '551d11'), der(0x04, names)),
    // Basic constraints: a CA, so that it can be trusted by itself.
    sequence(der(0x06, '551d13'), der(0x01, 'ff'), der(0x04, sequence(der(0x01, 'ff')))),
  )
  const body = sequence(
    der(0xa0, der(0x02, '02')),
    der(0x02, '01'),
    algorithm,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  )
  const signature = der(0x03, Buffer.from([0]), sign('sha256', body, privateKey))
  return {
    cert: pem('CERTIFICATE', sequence(body, algorithm, signature)),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}

/** Tag, length and value (ITU-T X.690 §8.1); a string is hexadecimal. */
function der(tag: number, ...values: (Buffer | string)[]): Buffer {
  const value = Buffer.concat(values.map((part) => (typeof part === 'string' ? Buffer.from(part, 'hex') : part)))
  const length = value.length < 128 ? [value.length] : [0x82, value.length >> 8, value.length & 255]
  return Buffer.concat([Buffer.from([tag, ...length]), value])
}

const sequence = (...values: Buffer[]) => der(0x30, ...values)

const time = (ms: number) =>
  der(
    0x17,
    Buffer.from(
      `${new Date(ms)
        .toISOString()
        .replace(/[-:T]|\..*/g, '')
        .slice(2)}Z`,
    ),
  )

const pem = (title: string, bytes: Buffer) =>
  `-----BEGIN ${title}-----\n${bytes.toString('base64').replace(/.{64}/g, '$&\n').trimEnd()}\n-----END ${title}-----\n`
