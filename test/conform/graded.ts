import { conform } from '../../conform/run.ts'
import { keyPair } from '../providers/s3-place.ts'

const variables = {
  CONFORM_ACCESS_KEY_ID: keyPair.accessKeyId,
  CONFORM_SECRET_ACCESS_KEY: keyPair.secretAccessKey,
}

/** What the command writes about a bucket, and its exit code. */
export async function graded(
  place: { endpoint: string; bucket: string },
  argv: string[],
  options: { variables?: Record<string, string>; signal?: AbortSignal; onLine?: (line: string) => void } = {},
) {
  const { onLine, ...surroundings } = options
  const lines: string[] = []
  const write = (line: string) => {
    lines.push(line)
    onLine?.(line)
  }
  const args = ['s3', '--endpoint', place.endpoint, '--bucket', place.bucket, ...argv]
  const code = await conform(args, { variables, ...surroundings, write })
  const verdicts = lines.filter((line) => /^(works|FAILS)/.test(line))
  return { code, lines, verdicts, failing: verdicts.filter((line) => line.startsWith('FAILS')), text: lines.join('\n') }
}
