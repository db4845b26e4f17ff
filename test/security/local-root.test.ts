import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { localRootFault } from '../../src/security/local-root.ts'

describe('localRootFault', () => {
  let home: string
  beforeAll(() => {
    home = realpathSync(mkdtempSync(join(tmpdir(), 'sluice-root-')))
    for (const name of ['data/postgres', 'files/photos', 'elsewhere/cluster', 'keys', 'linked']) {
      mkdirSync(join(home, name), { recursive: true })
    }
    symlinkSync(join(home, 'data'), join(home, 'to-data'))
    symlinkSync('to-data', join(home, 'to-link'))
    symlinkSync(join(home, 'future'), join(home, 'to-future'))
    symlinkSync(join(home, 'elsewhere/cluster'), join(home, 'linked/postgres'))
    writeFileSync(join(home, 'keys/secret.key'), 'x')
    symlinkSync(join(home, 'keys/secret.key'), join(home, 'linked/secret.key'))
    symlinkSync('loop', join(home, 'loop'))
  })
  afterAll(() => rmSync(home, { recursive: true }))

  it.each([
    ['data', 'data', 'is the data folder'],
    ['data/', 'data', 'is the data folder'],
    ['files/../data', 'data', 'is the data folder'],
    ['to-data', 'data', 'is the data folder'],
    ['to-link', 'data', 'is the data folder'],
    ['data', 'to-link', 'is the data folder'],
    ['.', 'data', 'contains the data folder'],
    ['.', 'data/deep/deeper', 'contains the data folder'],
    ['data/files', 'data', 'is inside the data folder'],
    ['to-data/files', 'data', 'is inside the data folder'],
    ['data/postgres', 'data', 'is inside the data folder'],
    ['future', 'future', 'is the data folder'],
    ['to-future', 'future', 'is the data folder'],
    ['future/files', 'to-future', 'is inside the data folder'],
    ['future', 'future/data', 'contains the data folder'],
    ['elsewhere', 'linked', 'contains the database'],
    ['elsewhere/cluster', 'linked', 'is the database'],
    ['elsewhere/cluster/base', 'linked', 'is inside the database'],
    ['keys', 'linked', 'contains the secret key'],
  ])('refuses the root %s for the data folder %s: it %s', (root, data, words) => {
    expect(localRootFault(join(home, root), join(home, data))).toContain(words)
  })

  it.each([
    ['keys', 'keys/secret.key', 'contains a file with secrets'],
    ['.', 'linked/secret.key', 'contains'],
    ['keys', 'linked/secret.key', 'contains a file with secrets'],
    ['files', 'files/deep/token', 'contains a file with secrets'],
  ])('refuses the root %s if settings were read from %s: it %s', (root, file, words) => {
    expect(localRootFault(join(home, root), join(home, 'data'), [join(home, file)])).toContain(words)
  })

  it('refuses the root of the file system', () => {
    expect(localRootFault('/', join(home, 'data'))).toContain('contains the data folder')
  })

  it('understands paths relative to the working directory', () => {
    expect(localRootFault(relative('.', home), join(home, 'data'))).toContain('contains the data folder')
  })

  it.each([
    ['files', 'data'],
    ['files/photos', 'data'],
    ['data-files', 'data'],
    ['data', 'data2'],
    ['missing', 'data'],
    ['files', 'future'],
    ['to-future', 'data'],
    ['loop', 'data'],
  ])('takes the root %s for the data folder %s', (root, data) => {
    expect(localRootFault(join(home, root), join(home, data))).toBeUndefined()
  })
})
