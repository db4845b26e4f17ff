import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import type { GraphQLInputObjectType, GraphQLObjectType } from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Storage } from '../../src/entities/storage.ts'
import type { FieldError } from '../../src/errors.ts'
import { schema } from '../../src/graphql/schema.ts'
import { exportSettings } from '../../src/storage-settings/export.ts'
import { importSettings } from '../../src/storage-settings/import.ts'
import type { Settings } from '../../src/storage-settings/kinds.ts'
import { readSettings, type SettingsInput } from '../../src/storages/read-settings.ts'

const fieldsOf = (type: string) => Object.keys((schema.getType(type) as GraphQLObjectType).getFields())

describe.each([
  ['Import', importSettings],
  ['Export', exportSettings],
] as const)('the settings of %s storages', (direction, settings: Settings) => {
  it('are all fields of the inputs and of the object', () => {
    const names = Object.keys(settings)
    const changeable = names.filter((name) => !settings[name]!.fixed)
    expect(fieldsOf(`Create${direction}StorageInput`)).toEqual(expect.arrayContaining(names))
    expect(fieldsOf(`Update${direction}StorageInput`)).toEqual(expect.arrayContaining(changeable))
    expect(fieldsOf(`${direction}Storage`)).toEqual(expect.arrayContaining(names))
  })

  it('describe themselves, and say what null means exactly where the object may return it', () => {
    const fields = (schema.getType(`${direction}Storage`) as GraphQLObjectType).getFields()
    for (const [name, setting] of Object.entries(settings)) {
      expect(setting.title, name).toMatch(/^[A-Z]/)
      expect(setting.description, name).toMatch(/\.$/)
      expect(String(fields[name]!.type).endsWith('!'), name).toBe(setting.null === undefined)
    }
  })
})

describe('readSettings', () => {
  const read = (given: SettingsInput, stored: Partial<Storage> | null = null) => {
    const faults: FieldError[] = []
    const { values, columns } = readSettings(importSettings, { given, stored: stored as Storage | null }, faults)
    return { values, columns, faults }
  }
  const stored = { title: 'T', regexFilter: 'a', recursive: false, presignTtlMinutes: 60, maxMissingShare: 0.5 }

  it('gives a new storage the defaults', () => {
    expect(read({}).values).toMatchObject({
      ...{
        title: null,
        importMethod: 'FILES',
        recursive: true,
        presignTtlMinutes: 15,
        maxMissing: null,
        filters: null,
      },
    })
  })

  it('keeps absent settings, and null clears only nullable ones', () => {
    const { values } = read({ title: null, recursive: null, regexFilter: '' }, stored)
    expect(values).toMatchObject({ title: null, recursive: false, regexFilter: null, presignTtlMinutes: 60 })
  })

  it('maps a value with two columns in both directions', () => {
    expect(read({}, stored).values.maxMissing).toEqual({ count: null, share: 0.5 })
    expect(read({ maxMissing: { count: 3 } }, stored).columns).toMatchObject({ maxMissing: 3, maxMissingShare: null })
    expect(read({ maxMissing: null }, stored).columns).toMatchObject({ maxMissing: null, maxMissingShare: null })
  })

  it('reports every error with the path of its field', () => {
    const { faults } = read({ presignTtlMinutes: 0, maxMissing: { share: 2 } })
    expect(faults).toEqual([
      { path: 'maxMissing.share', message: 'must be from 0 to 1' },
      { path: 'presignTtlMinutes', message: 'must be from 1 to 10080 (a week)' },
    ])
  })

  it('refuses to change a setting that is given at creation', () => {
    const faults: FieldError[] = []
    const row = { exportFormat: 'TASK' } as unknown as Storage
    readSettings(exportSettings, { given: { exportFormat: 'ANNOTATION' }, stored: row }, faults)
    readSettings(exportSettings, { given: { exportFormat: 'TASK' }, stored: row }, faults)
    expect(faults).toEqual([
      { path: 'exportFormat', message: 'the format of a storage cannot be changed; create another storage' },
    ])
  })
})

describe('providers', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startTestApp()
  })
  afterAll(() => app?.stop())

  it('return the whole form of every kind in one operation, within the limit of its cost', async () => {
    const field = 'name label help placeholder type options required secret defaultValue minimum maximum'
    const form = `{ ${field} fields { ${field} fields { ${field} fields { name } } } }`
    const { providers } = await app.request(
      `{ providers { provider title inputName uriScheme canPresign fields ${form} importSettings ${form} exportSettings ${form} } }`,
    )
    expect(providers).toHaveLength(5)
  })

  it('return the fields of a form for the settings of each direction', async () => {
    const field = 'name label help type options required defaultValue minimum maximum'
    const { providers } = await app.request(
      `{ providers { provider importSettings { ${field} fields { ${field} fields { name required } } }
        exportSettings { ${field} } } }`,
    )
    expect(providers).toHaveLength(5)
    for (const { importSettings: forImport, exportSettings: forExport } of providers) {
      const names = (fields: { name: string }[]) => fields.map(({ name }) => name)
      expect(names(forImport)).toEqual(Object.keys(importSettings))
      expect(names(forExport)).toEqual(Object.keys(exportSettings))
      const byName = Object.fromEntries(forImport.map((one: { name: string }) => [one.name, one]))
      expect(byName.presignTtlMinutes).toEqual({
        name: 'presignTtlMinutes',
        label: 'Lifetime of presigned URLs',
        help: 'Lifetime of a presigned URL in minutes.',
        type: 'integer',
        options: null,
        required: false,
        defaultValue: '15',
        minimum: 1,
        maximum: 10_080,
        fields: null,
      })
      expect(byName.syncMode).toMatchObject({ type: 'string', options: ['FULL', 'NEW_ONLY'], defaultValue: 'FULL' })
      expect(byName.recursive).toMatchObject({ type: 'boolean', defaultValue: 'true', minimum: null })
      expect(byName.maxMissing).toMatchObject({
        type: 'oneOf',
        fields: [{ name: 'count' }, { name: 'share', maximum: 1 }],
      })
      expect(byName.filters.fields.map(({ name }: { name: string }) => name).sort()).toEqual(
        Object.keys((schema.getType('ImportFiltersInput') as GraphQLInputObjectType).getFields()),
      )
      expect(byName.filters.fields.find(({ name }: { name: string }) => name === 'sample').fields).toEqual([
        { name: 'take', required: true },
        { name: 'of', required: true },
      ])
    }
  })
})
