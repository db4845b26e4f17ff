import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** What `wrk` is to ask for, over kept connections. */
interface Load {
  url: string
  connections: number
  seconds: number
  /** Paths that take turns, each asked for once before any comes again. Default: that of the URL. */
  paths?: string[]
  /** Each request is for this many bytes at a random place of an object of `size`. */
  range?: { bytes: number; size: number }
}

/** Requests and bytes for a second, headers included. */
interface Loaded {
  requests: number
  megabytes: number
}

/**
 * Asks for as long as it is told with Debian's `wrk`, which takes little of the processor. @throws Error when an answer is an
 * error or a connection fails, since then nothing that was measured means anything.
 */
export async function load({ url, connections, seconds, paths, range }: Load): Promise<Loaded> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-wrk-'))
  try {
    const script = join(folder, 'load.lua')
    if (paths) writeFileSync(join(folder, 'paths'), paths.join('\n'))
    writeFileSync(script, scriptOf(folder, { ...(paths && { paths }), ...(range && { range }) }))
    const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '60s', '-s', script, url]
    const { stdout } = await run('wrk', args).catch((error) => {
      if (error.code === 'ENOENT') throw new Error('There is no wrk. On Debian: apt-get install wrk')
      throw error
    })
    const [, requests, bytes, micros, errors] = /RESULT (\d+) (\d+) (\d+) (\d+)/.exec(stdout)?.map(Number) ?? []
    if (errors !== 0) throw new Error(`${errors ?? 'All'} of ${requests} requests to ${url} failed.`)
    return { requests: requests! / (micros! / 1e6), megabytes: bytes! / micros! }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const scriptOf = (folder: string, { paths, range }: Pick<Load, 'paths' | 'range'>) => `
local paths = {}
${paths ? `for line in io.lines("${folder}/paths") do paths[#paths + 1] = line end` : ''}
local turn = 0
request = function()
  ${
    range
      ? `local first = math.random(0, ${Math.floor(range.size / range.bytes) - 1}) * ${range.bytes}
  wrk.headers["Range"] = "bytes=" .. first .. "-" .. (first + ${range.bytes - 1})`
      : ''
  }
  if #paths == 0 then return wrk.format() end
  turn = turn % #paths + 1
  return wrk.format(nil, paths[turn])
end
done = function(summary)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d\\n", summary.requests, summary.bytes, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
`
