import { appendFile, readdir, rename, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describeProvider } from '@sluice/testkit/conformance/describe.ts'
import { expect, test } from 'vitest'
import { localFiles } from '../../src/providers/local-files/kind.ts'
import { bodyOfFile, openFile } from '../../src/providers/local-files/open-file.ts'
import { listed, newRoot, open, put } from './local-files-place.ts'

describeProvider('local files', localFiles, async () => {
  const root = await newRoot({ 'data/': '' })
  return {
    base: 'data/',
    open: (prefix = '') => open(root, `data/${prefix}`),
    put: (key, body) => put(root, key, body),
  }
})

test.for(['../elsewhere', 'data/../../elsewhere', '..', '../', 'data/../..'])(
  'the path "%s" is LOCAL_PATH_OUTSIDE_ROOT',
  async (path) => {
    const root = await newRoot({ 'data/a': '' })
    await expect(open(root, path)).rejects.toMatchObject({ code: 'LOCAL_PATH_OUTSIDE_ROOT' })
  },
)

test.for(['/', '.', './', '//', 'data/..'])('the path "%s" is LOCAL_PATH_IS_ROOT', async (path) => {
  const root = await newRoot({ 'data/a': 'secret' })
  const provider = await open(root, path)
  const fault = { code: 'LOCAL_PATH_IS_ROOT' }
  await expect(provider.check()).rejects.toMatchObject(fault)
  await expect(provider.list({ cursor: null, limit: 1, recursive: true })).rejects.toMatchObject(fault)
  await expect(provider.read('data/a')).rejects.toMatchObject(fault)
  await expect(provider.write('data/b', Buffer.from(''))).rejects.toMatchObject(fault)
})

test('a link to the root is LOCAL_PATH_IS_ROOT', async () => {
  const root = await newRoot({ 'data/a': '' })
  await symlink('.', join(root, 'self'))
  await expect((await open(root, 'self')).check()).rejects.toMatchObject({ code: 'LOCAL_PATH_IS_ROOT' })
})

test.for(['data', 'data/', '/data', './data', 'data/.', 'x/../data', '/data//'])(
  'the path "%s" is the folder data, with the same keys',
  async (path) => {
    const root = await newRoot({ 'data/a': 'hello' })
    const provider = await open(root, path)
    expect(await listed(provider)).toEqual(['data/a'])
    expect(await text((await provider.read('data/a')).body)).toBe('hello')
    expect(localFiles.place(localFiles.location.parse({ path })).prefix).toBe('data/')
  },
)

test('without LOCAL_FILES_ROOT, local files are LOCAL_FILES_DISABLED', async () => {
  await expect(open(undefined, 'data')).rejects.toMatchObject({ code: 'LOCAL_FILES_DISABLED' })
})

test('a folder that does not exist is LOCAL_PATH_MISSING, and so is a file', async () => {
  const root = await newRoot({ file: '' })
  for (const path of ['data', 'file', 'file/data']) {
    await expect((await open(root, path)).check()).rejects.toMatchObject({ code: 'LOCAL_PATH_MISSING' })
  }
  const list = (await open(root, 'data')).list({ cursor: null, limit: 1, recursive: true })
  await expect(list).rejects.toMatchObject({ code: 'LOCAL_PATH_MISSING' })
})

test.for([
  [' data', 'space'],
  ['data ', 'space'],
  ['data\t', 'space'],
  ['a /data', 'space'],
  ['data\\sub', 'backslash'],
])('a path that does not exist because of its spaces or backslashes is reported as such: %j', async ([path, word]) => {
  const root = await newRoot({ 'data/a': '' })
  const provider = await open(root, path!)
  for (const looks of [provider.check(), provider.list({ cursor: null, limit: 1, recursive: true })]) {
    const error = await looks.then(
      () => undefined,
      (fault: Error & { code?: string }) => fault,
    )
    expect(error).toMatchObject({ code: 'LOCAL_PATH_MISSING', message: expect.stringContaining(word!) })
    expect(error!.message).not.toContain(root)
  }
})

test.for([' data', 'data ', 'da\\ta'])(
  'the folder "%s" is found by its exact name, with spaces and backslashes',
  async (path) => {
    const root = await newRoot({ [`${path}/a`]: '' })
    expect(await listed(await open(root, path))).toEqual([`${path}/a`])
  },
)

test('the error for a LOCAL_FILES_ROOT that does not exist names the setting, not its path', async () => {
  const root = await newRoot()
  const error = await (await open(join(root, 'gone'), 'data')).check().catch((fault: Error) => fault)
  expect(error).toMatchObject({ code: 'LOCAL_PATH_MISSING', message: expect.stringContaining('LOCAL_FILES_ROOT') })
  expect((error as Error).message).not.toContain(root)
})

test('a folder that is a link out of the root is LOCAL_PATH_OUTSIDE_ROOT', async () => {
  const [root, elsewhere] = [await newRoot(), await newRoot({ a: 'secret' })]
  await symlink(elsewhere, join(root, 'data'))
  const provider = await open(root, 'data')
  const fault = { code: 'LOCAL_PATH_OUTSIDE_ROOT' }
  await expect(provider.check()).rejects.toMatchObject(fault)
  await expect(provider.list({ cursor: null, limit: 1, recursive: true })).rejects.toMatchObject(fault)
  await expect(provider.read('data/a')).rejects.toMatchObject(fault)
  await expect(provider.write('data/b', Buffer.from(''))).rejects.toMatchObject(fault)
  await expect(provider.remove('data/a')).rejects.toMatchObject(fault)
  expect(await readdir(elsewhere)).toEqual(['a'])
})

test('a root that is itself a link works', async () => {
  const real = await newRoot({ 'data/a': 'hello' })
  const root = join(await newRoot(), 'root')
  await symlink(real, root)
  const provider = await open(root, 'data')
  expect(await listed(provider)).toEqual(['data/a'])
  expect(await text((await provider.read('data/a')).body)).toBe('hello')
})

test('a file that changes in place, even to the same size, has another etag', async () => {
  const root = await newRoot({ 'data/a': 'one' })
  const provider = await open(root, 'data')
  const etag = async () => (await provider.list({ cursor: null, limit: 1, recursive: true })).objects[0]!.etag
  const first = await etag()
  await utimes(join(root, 'data/a'), new Date(), new Date(Date.now() + 1000))
  const second = await etag()
  await truncate(join(root, 'data/a'), 1)
  expect(new Set([first, second, await etag()]).size).toBe(3)
})

for (const [how, change] of [
  ['grows', (path: string) => appendFile(path, 'more')],
  ['is written over', (path: string) => writeFile(path, 'b'.repeat(1_000_000))],
  ['becomes shorter', (path: string) => truncate(path, 500_000)],
] as const) {
  test(`a file that ${how} while it is read breaks off with PRECONDITION_FAILED, and is never read past its end`, async () => {
    const root = await newRoot({ 'data/a': 'a'.repeat(1_000_000) })
    const { body, length } = await (await open(root, 'data')).read('data/a')
    let seen = 0
    const reading = async () => {
      for await (const chunk of body) {
        if (seen === 0) await change(join(root, 'data/a'))
        seen += chunk.length
      }
    }
    await expect(reading()).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
    expect(seen).toBeLessThan(length)
  })
}

test('a file that is replaced while it is read is read as it was', async () => {
  const root = await newRoot({ 'data/a': 'a'.repeat(1_000_000), 'data/b': 'b'.repeat(1_000_000) })
  const { body } = await (await open(root, 'data')).read('data/a')
  await rename(join(root, 'data/b'), join(root, 'data/a'))
  expect(await text(body)).toBe('a'.repeat(1_000_000))
})

test.each([10, 100_000])(
  'a file of %d bytes that changes after it was opened is not read as its old version',
  async (size) => {
    const root = await newRoot({ 'data/a': 'x'.repeat(size) })
    const path = join(root, 'data/a')
    await utimes(path, 1, 1)
    const file = await openFile(path)
    await writeFile(path, 'y'.repeat(size))
    const read = async () => text(await bodyOfFile(file, 0, size))
    await expect(read()).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
  },
)

test('a file that is being written is not listed', async () => {
  const root = await newRoot({ 'data/other': '' })
  const provider = await open(root, 'data')
  const body = Buffer.alloc(40_000_000)
  let isDone = false
  const writing = provider.write('data/a', body).then(() => {
    isDone = true
  })
  while (!isDone) {
    const { objects } = await provider.list({ cursor: null, limit: 10, recursive: true })
    const file = objects.find((object) => object.key !== 'data/other')
    if (file) expect(file).toMatchObject({ key: 'data/a', size: body.length })
  }
  await writing
  expect((await stat(join(root, 'data/a'))).size).toBe(body.length)
  expect((await readdir(join(root, 'data'))).sort()).toEqual(['a', 'other'])
})

test('a write that fails leaves no file', async () => {
  const root = await newRoot({ 'data/folder/a': '', 'data/file': '' })
  const provider = await open(root, 'data')
  const faults = [
    { key: 'data/folder', code: 'DENIED' },
    { key: 'data/file/below', code: 'DENIED' },
    { key: `data/${'x'.repeat(256)}`, code: 'KEY_TOO_LONG' },
  ]
  for (const { key, code } of faults) {
    await expect(provider.write(key, Buffer.from('x')), key).rejects.toMatchObject({ code })
  }
  expect((await readdir(root, { recursive: true })).sort()).toEqual([
    'data',
    'data/file',
    'data/folder',
    'data/folder/a',
  ])
})
