import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'

// Stands in for curl where a machine has none: what the samples of the docs use of it, and no more.
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    silent: { type: 'boolean', short: 's' },
    'no-buffer': { type: 'boolean', short: 'N' },
    request: { type: 'string', short: 'X' },
    header: { type: 'string', short: 'H', multiple: true },
    data: { type: 'string', short: 'd' },
    'upload-file': { type: 'string', short: 'T' },
  },
})
const { request, header = [], data, 'upload-file': file } = values
const url = positionals[0]!
const body = file === undefined ? data : readFileSync(file)
const answer = await fetch(file && url.endsWith('/') ? url + basename(file) : url, {
  method: request ?? (file ? 'PUT' : data === undefined ? 'GET' : 'POST'),
  headers: header.map((line) => line.split(/: */, 2) as [string, string]),
  ...(body !== undefined && { body }),
})
for await (const chunk of answer.body ?? []) process.stdout.write(chunk)
