const entities = new Map(Object.entries({ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }))

/** Normalizes line ends (XML 1.0 §2.11) and decodes references (§4.1). Undefined if a reference is not one of XML itself. */
export function decodeXml(xml: string): string | undefined {
  const text = xml.includes('\r') ? xml.replace(/\r\n?/g, '\n') : xml
  if (!text.includes('&')) return text
  let isKnown = true
  const decoded = text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w+));|&/gi, (_, decimal, hex, name) => {
    const char = name === undefined ? charOf(decimal ? Number(decimal) : Number.parseInt(hex, 16)) : entities.get(name)
    isKnown &&= char !== undefined
    return char ?? ''
  })
  return isKnown ? decoded : undefined
}

const charOf = (code: number) =>
  code <= 0x10ffff && code !== 0 && (code < 0xd800 || code > 0xdfff) ? String.fromCodePoint(code) : undefined
