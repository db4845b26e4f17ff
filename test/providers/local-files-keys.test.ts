import { execFileSync } from 'node:child_process'
import { mkdir, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { closeFile, openFile, realPathOf } from '../../src/providers/local-files/open-file.ts'
import { listed, newRoot, open } from './local-files-place.ts'

// Only Linux takes any byte in a name.
if (process.platform === 'linux') {
  test('names that are not UTF-8 are listed as distinct keys in the order of bytes, for any page size', async () => {
    const root = await newRoot({
      'data/a': '',
      'data/caf\u8fff': '',
      'data/caf\u9fff': '',
      'data/\ufffd': '',
      'data/z/b': '',
    })
    const latin = (name: string) => Buffer.concat([Buffer.from(`${root}/data/`), Buffer.from(name, 'latin1')])
    for (const name of ['caf\xe9', 'caf\xe8', 'caf\xe9.json', '\xff']) await writeFile(latin(name), 'x')
    await mkdir(latin('d\xe9'))
    await writeFile(latin('d\xe9/x'), 'x')
    await symlink('a', latin('link\xe9'))
    const provider = await open(root, 'data')
    for (const limit of [1, 2, 3, 1_000]) {
      const keys: string[] = []
      let cursor: string | null = null
      do {
        const page = await provider.list({ cursor, limit, recursive: true })
        keys.push(...page.objects.map(({ key }) => key.slice('data/'.length)))
        cursor = page.cursor
      } while (cursor !== null)
      expect(keys).toEqual([
        ...[
          'a',
          'caf\udce8',
          'caf\u8fff',
          'caf\udce9',
          'caf\udce9.json',
          'caf\u9fff',
          'd\udce9/x',
          'link\udce9',
          'z/b',
        ],
        ...['\ufffd', '\udcff'],
      ])
      // Another provider goes on at the same cursor: nothing is kept in memory that a cursor does not say.
      const middle = await (await open(root, 'data')).list({ cursor: 'data/caf\udce9', limit: 1, recursive: true })
      expect(middle.objects.map(({ key }) => key)).toEqual(['data/caf\udce9.json'])
    }
    const fault = { code: 'KEY_NOT_TEXT', retryable: false }
    await expect(provider.read('data/caf\udce9')).rejects.toMatchObject(fault)
    await expect(provider.head('data/caf\udce9')).rejects.toMatchObject(fault)
    await expect(provider.write('data/caf\udce9', Buffer.from(''))).rejects.toMatchObject(fault)
    await expect(provider.remove('data/caf\udce9')).rejects.toMatchObject(fault)
  })
}

test('a link that leaves the folder is neither listed nor read nor written through', async () => {
  const root = await newRoot({ 'data/a': '', 'data2/secret': 'secret', secret: 'secret' })
  const elsewhere = await newRoot({ secret: 'secret' })
  await symlink(join(elsewhere, 'secret'), join(root, 'data/file'))
  await symlink(elsewhere, join(root, 'data/folder'))
  await symlink('../secret', join(root, 'data/sibling'))
  await symlink('../data2', join(root, 'data/near'))
  await symlink('nowhere', join(root, 'data/broken'))
  const provider = await open(root, 'data')
  expect(await listed(provider)).toEqual(['data/a'])
  for (const key of ['data/file', 'data/folder/secret', 'data/sibling', 'data/near/secret', 'data/broken']) {
    await expect(provider.read(key), key).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
    await provider.remove(key)
  }
  for (const key of ['data/folder/new', 'data/folder/new/folder/x', 'data/near/x']) {
    const write = provider.write(key, Buffer.from('x'))
    await expect(write, key).rejects.toMatchObject({ code: 'LOCAL_PATH_OUTSIDE_ROOT' })
  }
  expect(await readdir(elsewhere)).toEqual(['secret'])
  expect(await readdir(join(root, 'data2'))).toEqual(['secret'])
})

test.for([
  'secret',
  'data/../secret',
  'data2/secret',
  '/etc/hostname',
  'data/../../x',
  'data/\0',
  '',
  'data',
  '.',
  'data/..',
])('the key "%s" names nothing outside of the folder', async (key) => {
  const root = await newRoot({ 'data/a': '', secret: 'secret', 'data2/secret': 'secret' })
  const provider = await open(root, 'data')
  await expect(provider.read(key)).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
  await provider.remove(key)
  await expect(provider.write(key, Buffer.from('x'))).rejects.toMatchObject({ name: 'SluiceError' })
  expect(await readFile(join(root, 'secret'), 'utf8')).toBe('secret')
  expect((await readdir(root)).sort()).toEqual(['data', 'data2', 'secret'])
  expect(await readdir(join(root, 'data'))).toEqual(['a'])
})

test.for(['data/./a', 'data//a', 'data/b/../a', 'data/a/', './data/a'])(
  'a file has one key: "%s" is not a key',
  async (key) => {
    const provider = await open(await newRoot({ 'data/a': 'hello', 'data/b/c': '' }), 'data')
    await expect(provider.read(key)).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
    await provider.remove(key)
    expect(await listed(provider)).toEqual(['data/a', 'data/b/c'])
  },
)

test('links that stay inside the folder are followed, and only the link is removed', async () => {
  const root = await newRoot({ 'data/real/a': 'hello', 'data/b': 'there' })
  await symlink('real', join(root, 'data/alias'))
  await symlink('real/a', join(root, 'data/c'))
  const provider = await open(root, 'data')
  expect(await listed(provider)).toEqual(['data/alias/a', 'data/b', 'data/c', 'data/real/a'])
  expect(await text((await provider.read('data/alias/a')).body)).toBe('hello')
  await provider.remove('data/c')
  expect(await listed(provider)).toEqual(['data/alias/a', 'data/b', 'data/real/a'])
})

test('links in a circle end', async () => {
  const root = await newRoot({ 'data/a': '', 'data/deep/b': '' })
  await symlink('.', join(root, 'data/self'))
  await symlink('..', join(root, 'data/deep/up'))
  await symlink('loop', join(root, 'data/loop'))
  const provider = await open(root, 'data')
  expect(await listed(provider)).toEqual(['data/a', 'data/deep/b'])
  await expect(provider.read('data/loop')).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
})

// Windows has no pipes among files.
if (process.platform !== 'win32') {
  test('a pipe is neither listed nor opened', async () => {
    const root = await newRoot({ 'data/a': '' })
    execFileSync('mkfifo', [join(root, 'data/pipe')])
    const provider = await open(root, 'data')
    expect(await listed(provider)).toEqual(['data/a'])
    await expect(provider.read('data/pipe')).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
  })
}

test('a name of 255 bytes, the maximum of a disk, is written', async () => {
  const provider = await open(await newRoot({ 'data/': '' }), 'data')
  const key = `data/${'x'.repeat(255)}`
  await provider.write(key, Buffer.from('hello'))
  expect(await text((await provider.read(key)).body)).toBe('hello')
})

test('a key that uses a file as a folder is missing', async () => {
  const root = await newRoot({ 'data/a': 'x' })
  await expect((await open(root, 'data')).read('data/a/')).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
})

test('if the system does not report the path of an open file, its real path counts while that file exists', async () => {
  const root = await realpath(await newRoot({ 'data/real': 'x', 'data/other': 'y' }))
  await symlink('real', join(root, 'data/alias'))
  const path = join(root, 'data/alias')
  const file = await openFile(path)
  onTestFinished(() => closeFile(file.fd))
  expect(await realPathOf(file, path)).toBe(join(root, 'data/real'))
  await rm(path)
  await symlink('other', path)
  expect(await realPathOf(file, path)).toBeUndefined()
})
