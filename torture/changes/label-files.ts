import type { Random } from '../random.ts'
import type { FileRow } from './label-model.ts'
import type { Place } from './place.ts'

/** New labels, rows and texts, each with its own id. */
function createMaker(random: Random) {
  let ids = 0
  const word = () => `w${++ids}`
  const newLabel = () => ({ id: ++ids, name: word() })
  const newRow = (): FileRow => ({
    id: ++ids,
    text: word(),
    annotations: Array.from({ length: random.whole(0, 3) }, newLabel),
  })
  return { word, label: newLabel, row: newRow }
}

/** The rows after one to five edits. */
function editFile(list: FileRow[], make: ReturnType<typeof createMaker>, random: Random): FileRow[] {
  let edited = list.map((row) => ({ ...row, annotations: [...row.annotations] }))
  for (let edits = random.whole(1, 5); edits > 0; edits--) {
    const row = random.pick(edited)
    const at = random.whole(0, Math.max(0, row.annotations.length - 1))
    const label = row.annotations[at]
    switch (random.pick(['add', 'correct', 'correct', 'remove', 'text', 'insert', 'delete', 'shuffle'])) {
      case 'add':
        row.annotations.push(make.label())
        break
      case 'correct':
        if (label) row.annotations[at] = { ...label, name: make.word() }
        break
      case 'remove':
        if (label) row.annotations.splice(at, 1)
        break
      case 'text':
        row.text = make.word()
        break
      case 'insert':
        edited.splice(random.whole(0, edited.length), 0, make.row())
        break
      case 'delete':
        if (edited.length > 1) edited = edited.filter((one) => one !== row)
        break
      case 'shuffle':
        edited.reverse()
        break
    }
  }
  return edited
}

/** The files of the scenario, and random edits of them. */
export function createFiles(place: Place, random: Random) {
  const rows = new Map<string, FileRow[]>()
  const make = createMaker(random)
  /** What a file or a row was, and may be again. */
  const former = new Map<string, FileRow[]>()
  const write = async (key: string, list: FileRow[]) => {
    rows.set(key, list)
    await place.put(key, bodyOf(list, random))
  }
  return {
    rows,
    /** Whether the file still has the row, and the label if it came from the file, so that a sync does not remove it. */
    keeps: (key: string, row: number, importId: number | null) =>
      rows
        .get(key)
        ?.some(
          ({ id, annotations }) =>
            id === row && (importId === null || annotations.some((label) => label.id === importId)),
        ) ?? false,
    async edit() {
      if (rows.size === 0) {
        for (let n = random.whole(1, 12); n > 0; n--) {
          await write(
            `${place.base}${n}.${random.pick(['json', 'jsonl'])}`,
            Array.from({ length: random.whole(1, 6) }, make.row),
          )
        }
        return
      }
      for (const [key, list] of [...rows]) {
        if (random.chance(0.1) && rows.size > 1) {
          former.set(key, list)
          rows.delete(key)
          await place.remove(key)
        } else if (random.chance(0.6))
          await write(key, random.chance(0.8) ? editFile(list, make, random) : (former.get(key) ?? list))
        else former.set(key, list)
      }
      for (const [key, list] of [...former]) {
        if (!rows.has(key) && random.chance(0.3))
          await write(key, random.chance(0.5) ? list : editFile(list, make, random))
      }
    },
  }
}

function bodyOf(rows: FileRow[], random: Random): string {
  const values = rows.map(({ id, text, annotations }) => ({
    id,
    data: { text },
    annotations: annotations.map((label) => ({ id: label.id, result: [label.name] })),
  }))
  if (values.length === 1 && random.chance(0.3)) return JSON.stringify(values[0])
  return random.chance(0.5) ? JSON.stringify(values) : values.map((row) => `${JSON.stringify(row)}\n`).join('')
}
