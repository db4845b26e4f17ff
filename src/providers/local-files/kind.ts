import { paceCalls } from '../kit/paced.ts'
import { noPace } from '../pace.ts'
import { defineProvider } from '../provider.ts'
import { abilities } from './abilities.ts'
import { hints } from './hints.ts'
import { location, secrets } from './location.ts'

/** Folders of the machine that Sluice runs on. Keys are paths relative to LOCAL_FILES_ROOT. */
export const localFiles = defineProvider({
  title: 'Local files',
  typeName: 'LocalFilesLocation',
  inputName: 'localFiles',
  uriScheme: 'local-files',
  canPresign: false,
  copyKeepsEtag: true,
  abilities,
  // The limit of common file systems.
  keyLimit: { max: 255, unit: 'bytes', per: 'segment' },
  location,
  secrets,
  boundTo: {},
  hints,
  targets: () => [],
  // No file is named `.` or `..`.
  sendsDotSegments: () => true,
  place: ({ path }) => ({ endpoint: '', bucket: '', prefix: path === '' ? '' : `${path}/` }),
  async open(place, _secrets, { localFilesRoot, pace = noPace }) {
    const { openLocalFolder } = await import('./folder.ts')
    return paceCalls(await openLocalFolder(place, localFilesRoot), pace)
  },
})
