import { execFileSync } from 'node:child_process'
import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describeProvider } from '@sluice/testkit/conformance/describe.ts'
import { environment } from '@sluice/testkit/egress.ts'
import { expect, onTestFinished, test } from 'vitest'
import { localFiles } from '../../src/providers/local-files/kind.ts'
import { bodyOfFile, closeFile, openFile, realPathOf } from '../../src/providers/local-files/open-file.ts'
import type { Provider } from '../../src/providers/provider.ts'

/** A root with `files` in it (a path ending in `/` is a folder), removed after the test. */
async function newRoot(files: Record<string, string> = {}): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'sluice-local-'))
  onTestFinished(() => rm(root, { recursive: true }))
  for (const [path, body] of Object.entries(files)) await put(root, path, body)
  return root
}

async function put(root: string, path: string, body: string | Buffer) {
  await mkdir(dirname(join(root, path, path.endsWith('/') ? 'x' : '')), { recursive: true })
  if (!path.endsWith('/')) await writeFile(join(root, path), body)
}

const open = async (root: string | undefined, path: string): Promise<Provider> =>
  localFiles.open(localFiles.location.parse({ path }), {}, { ...environment, localFilesRoot: root })

const listed = async (provider: Provider) =>
  (await provider.list({ cursor: null, limit: 1000, recursive: true })).objects.map((object) => object.key)

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
