import { SluiceError } from '../errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../json.ts'
import { JsonOutline, type ListPlace, type MemberKind } from './json-outline.ts'

/** What of an object shows whether it is a whole data set. */
interface Shape {
  kindOf(name: string): MemberKind | undefined
  /** The number of its members. */
  count(): number
  /** The member "type". */
  type: unknown
  /** Whether the first item of the list "data" is an object. */
  dataOfObjects(): boolean
}

/** The form of a data set that other tools write as one object; undefined for any other object. */
function formOf({ kindOf, count, type, dataOfObjects }: Shape): string | undefined {
  const areLists = (...names: string[]) => names.every((name) => kindOf(name) === 'LIST')
  if (kindOf('_via_img_metadata') === 'OBJECT') return 'VIA'
  if (type === 'FeatureCollection' && areLists('features')) return 'GeoJSON'
  if (areLists('images', 'annotations') && kindOf('data') === undefined) {
    // Captions have no categories.
    if (areLists('categories') || areLists('licenses') || kindOf('info') === 'OBJECT') return 'COCO'
  }
  const isSquad = areLists('data') && kindOf('version') === 'OTHER' && count() === 2 && dataOfObjects()
  return isSquad ? 'SQuAD' : undefined
}

// Each form has one of these members. Most tasks have none of them.
const marks = ['_via_img_metadata', 'features', 'images', 'data']

/** The issue of a file that is a data set in one object; undefined for any other file. `bytes` is the text of the object. */
export function datasetIssue(value: Json, bytes: Buffer): SluiceError | undefined {
  if (!isJsonObject(value) || !marks.some((name) => Object.hasOwn(value, name))) return undefined
  const form = formOf(shapeOf(value))
  if (!form) return undefined
  const outline = new JsonOutline()
  outline.push(bytes)
  return issueOf(form, outline)
}

/** The same for an object that was not parsed, because it is too large for one task. */
export function largeDatasetIssue(outline: JsonOutline): SluiceError | undefined {
  const { members, lists, type } = outline
  const form = formOf({
    kindOf: (name) => members.get(name),
    count: () => members.size,
    type,
    dataOfObjects: () => lists.some(({ path, ofObjects }) => path.length === 1 && path[0] === 'data' && ofObjects),
  })
  return form ? issueOf(form, outline) : undefined
}

function shapeOf(value: JsonObject): Shape {
  const kindOf = (name: string): MemberKind | undefined => {
    const member = Object.hasOwn(value, name) ? value[name] : undefined
    if (member === undefined) return undefined
    return Array.isArray(member) ? 'LIST' : isJsonObject(member) ? 'OBJECT' : 'OTHER'
  }
  return {
    kindOf,
    count: () => Object.keys(value).length,
    type: value.type,
    dataOfObjects: () => Array.isArray(value.data) && isJsonObject(value.data[0]),
  }
}

function issueOf(form: string, { lists }: JsonOutline): SluiceError {
  const where = form === 'VIA' ? 'The images are in _via_img_metadata.' : placesOf(lists)
  const labels =
    form === 'COCO'
      ? ' The annotations of COCO do not become labels: for those, convert it to one task for each image, with its annotations as a list of results.'
      : ''
  return new SluiceError(
    'DATASET_IN_ONE_OBJECT',
    `The object is a whole data set (${form}). Set rowsPath of the storage to the list whose items become tasks, or to $ to import the object as one task. ${where}${labels}`,
  )
}

/** The issue of a file that is one object without the rows. `finder` has read the whole object. */
export const rowsNotFound = ({ lists }: JsonOutline): SluiceError =>
  new SluiceError('ROWS_NOT_FOUND', `The object has no list at the rowsPath of the storage. ${placesOf(lists)}`)

/** Which paths lead to lists; lists of objects first. */
function placesOf(lists: ListPlace[]): string {
  const ordered = lists.toSorted((a, b) => Number(b.ofObjects) - Number(a.ofObjects))
  // A name with a dot cannot be part of a path.
  const named = ordered.filter(({ path }) => path.every((name) => name !== '' && !name.includes('.'))).slice(0, 10)
  if (named.length === 0) return 'It has no lists.'
  const texts = named.map(({ path, items }) => `${path.join('.').slice(0, 100)} (${items} items)`)
  return `Lists: ${texts.join(', ')}.`
}
