import { hostileReplies } from '@sluice/testkit/hostile-server.ts'
import { checkHostile } from '@sluice/testkit/hostile-work.ts'
import { type Strain, startHostileWorld } from '@sluice/testkit/hostile-world.ts'
import { writeSection } from './sections.ts'

/** What the server may take beyond its rest while hostile servers answer it. */
const bounds: Pick<Strain, 'memoryMiB' | 'healthMs'> = { memoryMiB: 64, healthMs: 100 }

const kinds = ['S3', 'STS', 'GCS', 'token_uri', 'Azure', 'Redis']
const world = await startHostileWorld()
const lines: string[] = []
let isHeld = true
try {
  const all = [...world.places]
  // The first use of a kind loads its SDK and lets the heap grow.
  for (const kind of kinds) await checkHostile(world, all.find(({ name }) => name.startsWith(`${kind} `))!)
  for (const kind of kinds) {
    for (const place of all.filter(({ name }) => name.startsWith(`${kind} `))) {
      let code: string | null = null
      const { memoryMiB, healthMs } = await world.strain(async () => {
        code = await checkHostile(world, place)
      })
      const holds = memoryMiB <= bounds.memoryMiB && healthMs <= bounds.healthMs
      isHeld &&= holds
      lines.push(
        `| ${place.name} | ${code} | ${memoryMiB.toFixed(0)} | ${healthMs.toFixed(0)} | ${holds ? 'yes' : 'NO'} |`,
      )
      console.error(lines.at(-1))
    }
  }
} finally {
  await world.stop()
}
const report = `## Hostile servers

One check of a storage at a time, against a server in a process of its own (${hostileReplies.length} kinds of Redis replies, bodies of
300 MiB). Bounds: +${bounds.memoryMiB} MiB of memory (RssAnon), ${bounds.healthMs} ms for \`/health\` throughout. \`npm run bench:servers\`

| Server | First code | + MiB | /health, slowest, ms | holds |
| --- | --- | --: | --: | --- |
${lines.join('\n')}
`
console.log(report)
if (isHeld) writeSection('hostile-servers', report)
process.exit(isHeld ? 0 : 1)
