import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { listSettings, makeDocs } from '../../docs/settings.ts'
import { readConfig } from '../../src/config.ts'

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')

it.each(['docs/settings.md', '.env.example'] as const)('%s has the settings of the code', (name) => {
  expect(makeDocs()[name]).toBe(read(name))
})

it('every setting has a description, and its documented default is the value of an unset one', () => {
  const written = listSettings().flatMap(({ name, defaultValue }) => (defaultValue ? [[name, defaultValue]] : []))
  expect(written.length).toBeGreaterThan(5)
  expect(listSettings().filter(({ meaning }) => !meaning)).toEqual([])
  expect(readConfig(Object.fromEntries(written))).toEqual(readConfig({}))
})
