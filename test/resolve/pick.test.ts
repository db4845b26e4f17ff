import { describe, expect, it } from 'vitest'
import { pickStorage, rankStorages } from '../../src/resolve/pick.ts'
import { local, s3 } from './stored.ts'

describe('the storage that serves a URI', () => {
  const storages = [s3(1, 'b', 'in/'), s3(2, 'b', 'in/deep/'), s3(3, 'c', 'x'), s3(4, 'c', 'x'), local(5, 'photos')]
  it.each([
    ['s3://b/in/a.jpg', undefined, 1],
    ['s3://b/in/deep/a.jpg', undefined, 2],
    ['s3://b/in/deep/a.jpg', 1, 2],
    ['s3://c/xyz', undefined, 3],
    ['s3://c/xyz', 4, 4],
    ['local-files:///photos/a', undefined, 5],
    ['s3://b/out/a.jpg', undefined, undefined],
    ['s3://b/in', undefined, undefined],
    ['s3://d/in/a.jpg', undefined, undefined],
    ['gs://b/in/a.jpg', undefined, undefined],
    ['local-files:///photosx/a', undefined, undefined],
    ['S3://b/in/a.jpg', undefined, 1],
    ['s3a://b/in/a.jpg', undefined, 1],
    ['S3N://b/in/a.jpg', undefined, 1],
    ['s3x://b/in/a.jpg', undefined, undefined],
    ['nothing', undefined, undefined],
  ])('of %s, linked to %s, is %s', (uri, linked, expected) => {
    expect(pickStorage(uri, storages, linked)?.storage.id).toBe(expected)
  })

  it('has the endpoint of the linked storage, because a URI names none', () => {
    const twins = [s3(1, 'b', '', 'http://one'), s3(2, 'b', 'in/', 'http://two'), s3(3, 'b', 'in/', 'http://ONE/')]
    expect(pickStorage('s3://b/in/a', twins)?.storage.id).toBe(2)
    expect(pickStorage('s3://b/in/a', twins, 1)?.storage.id).toBe(3)
    expect(pickStorage('s3://b/in/a', twins, 2)?.storage.id).toBe(2)
    expect(pickStorage('s3://b/in/a', twins, 9)?.storage.id).toBe(2)
    expect(rankStorages('s3://b/in/a', twins, 1).map(({ storage, verdict }) => [storage.id, verdict])).toEqual([
      [3, 'CHOSEN'],
      [1, 'SHORTER_PREFIX'],
      [2, 'OTHER_ENDPOINT'],
    ])
  })

  it('is chosen over the others for a reason that is reported', () => {
    const all = [...storages, s3(6, 'c', 'y'), s3(7, 'd')]
    const told = (uri: string, linked?: number) =>
      Object.fromEntries(rankStorages(uri, all, linked).map(({ storage, verdict }) => [storage.id, verdict]))
    expect(told('s3://c/xyz', 4)).toEqual({
      1: 'OTHER_BUCKET',
      2: 'OTHER_BUCKET',
      3: 'NOT_LINKED',
      4: 'CHOSEN',
      5: 'OTHER_SCHEME',
      6: 'OUTSIDE_PREFIX',
      7: 'OTHER_BUCKET',
    })
    expect(told('s3://c/xyz')).toMatchObject({ 3: 'CHOSEN', 4: 'YOUNGER' })
    expect(told('s3://b/in/deep/a')).toMatchObject({ 1: 'SHORTER_PREFIX', 2: 'CHOSEN' })
    expect(new Set(Object.values(told('no uri')))).toEqual(new Set(['OTHER_SCHEME']))
  })

  it('receives the key exactly as in the URI', () => {
    expect(pickStorage('s3://b/in/a b/../%41?x#y', storages)?.key).toBe('in/a b/../%41?x#y')
  })
})
