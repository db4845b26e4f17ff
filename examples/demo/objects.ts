import { drawPicture } from './picture.ts'

/** The bucket that the demo fills, and what a sync of its two folders must find. */
export const bucket = 'sluice-demo'

/** The objects of a folder, and how many of them are to become tasks, issues or nothing. */
export interface Folder {
  prefix: string
  objects: Map<string, Buffer>
  expected: { tasks: number; issues: number; skipped: number }
}

/** Only pictures; what else lies between them is left out. */
export const picturesOnly = String.raw`images/.*\.png$`

/** `count` different pictures in a folder for each month, a folder marker, and some files that are no pictures. */
export function imageFolder(count: number): Folder {
  if (!(count >= 2)) throw new RangeError('At least 2 pictures are needed.')
  const pictures = Array.from({ length: count }, (_, n): [string, Buffer] => [imageKey(n), drawPicture(n)])
  const others: [string, Buffer][] = [
    ['images/', Buffer.alloc(0)],
    ['images/.DS_Store', Buffer.from([0, 0, 0, 1, 0x42, 0x75, 0x64, 0x31])],
    ['images/index.html', Buffer.from('<!doctype html><title>Pictures</title>')],
    ['images/2026-02/notes.txt', Buffer.from('The camera was turned by 90° from here on.\n')],
    ['images/2026-03/picture.png.md5', Buffer.from('d41d8cd98f00b204e9800998ecf8427e\n')],
  ]
  return {
    prefix: 'images/',
    objects: new Map([...pictures, ...others]),
    // The filter matches from the start of the key, and `$` keeps `picture.png.md5` out.
    expected: { tasks: pictures.length, issues: 0, skipped: others.length },
  }
}

/** `count` task files, each about one of the pictures, some with a model's prediction; one of them is broken. */
export function taskFolder(count: number, { expected: { tasks: images } }: Folder): Folder {
  if (!(count >= 2)) throw new RangeError('At least 2 task files are needed.')
  const files = Array.from({ length: count - 1 }, (_, n): [string, Buffer] => {
    const data = { image: `s3://${bucket}/${imageKey(n % images)}`, question: 'How large is the disc?', number: n }
    return [`tasks/task-${pad(n)}.json`, json(n % 20 === 7 ? { data, predictions: [prediction(n)] } : data)]
  })
  const broken: [string, Buffer] = ['tasks/task-broken.json', Buffer.from('{ "image": "s3://sluice-demo/images/')]
  return {
    prefix: 'tasks/',
    objects: new Map([...files, broken]),
    expected: { tasks: files.length, issues: 1, skipped: 0 },
  }
}

const imageKey = (n: number) => `images/2026-0${1 + (n % 6)}/picture ${pad(n)}.png`

const prediction = (n: number) => ({
  model_version: 'disc-finder-1',
  score: 0.9,
  result: [{ type: 'ellipse', radius: 12 + (n % 29) }],
})

const json = (value: unknown) => Buffer.from(JSON.stringify(value))

const pad = (n: number) => String(n).padStart(5, '0')
