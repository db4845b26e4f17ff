import { readFileSync, writeFileSync } from 'node:fs'
import type { z } from 'zod'
import { secretSettings } from '../src/config/secret-files.ts'
import { settings } from '../src/config.ts'

interface Setting {
  name: string
  /** As one would write it into the environment; undefined = unset. */
  defaultValue: string | undefined
  meaning: string
}

const file = (name: string) => new URL(`../${name}`, import.meta.url)
const [begin, end] = ['<!-- settings: written by "npm run docs" -->', '<!-- /settings -->']

/** The settings as src/config.ts has them, in its order. */
export function listSettings(): Setting[] {
  return Object.entries(settings.shape).map(([name, schema]) => {
    const value = defaultOf(schema)
    return { name, defaultValue: value === undefined ? undefined : String(value), meaning: schema.description ?? '' }
  })
}

/** The default as it is written, not as it is after its transformation: `data`, not the path that it stands for. */
function defaultOf(schema: z.core.$ZodType): unknown {
  const { def } = schema._zod as z.core.$ZodTypes['_zod']
  if (def.type === 'default') return def.defaultValue
  return def.type === 'pipe' ? defaultOf(def.in) : undefined
}

/** docs/settings.md with its table, and .env.example, as they should be. */
export function makeDocs(): Record<'docs/settings.md' | '.env.example', string> {
  const list = listSettings()
  const rows = list.map(
    ({ name, defaultValue, meaning }) => `| \`${name}\` | ${defaultValue ? `\`${defaultValue}\`` : '–'} | ${meaning} |`,
  )
  const names = secretSettings.map((name) => `\`${name}\``)
  const files = `A secret can be in a file instead: \`SECRET_KEY_FILE=/run/secrets/secret-key\`, for example. This works for ${names.slice(0, -1).join(', ')} and ${names.at(-1)}.`
  const table = ['| setting | default | meaning |', '| --- | --- | --- |', ...rows, '', files].join('\n')
  const page = readFileSync(file('docs/settings.md'), 'utf8')
  const [before, rest] = page.split(begin)
  const after = rest?.split(end)[1]
  if (after === undefined) throw new Error(`docs/settings.md has no ${begin} … ${end}`)
  const lines = list.map(({ name, defaultValue = '', meaning }) => `# ${meaning}\n#${name}=${defaultValue}\n`)
  return {
    'docs/settings.md': `${before}${begin}\n${table}\n${end}${after}`,
    '.env.example': `# Copy this file to .env and remove the # before each setting that you change. "npm start" reads .env. Environment variables take precedence.\n\n${lines.join('\n')}`,
  }
}

if (import.meta.main) {
  const check = process.argv.includes('--check')
  for (const [name, text] of Object.entries(makeDocs())) {
    if (!check) {
      writeFileSync(file(name), text)
    } else if (readFileSync(file(name), 'utf8') !== text) {
      console.error(`${name} does not say what src/config.ts says. Run "npm run docs".`)
      process.exitCode = 1
    }
  }
}
