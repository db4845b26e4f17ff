import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { connectStorage, newestTasks, openProject } from './demo/api.ts'
import { bucket, type Folder, imageFolder, picturesOnly, taskFolder } from './demo/objects.ts'
import { checkLink } from './demo/proof.ts'
import { printTask, printWhereToLook } from './demo/show.ts'
import { type Stage, setStage } from './demo/stage.ts'
import { type Connected, syncAll } from './demo/sync.ts'

const usage = `npm run demo -- [options]
Starts an S3 server and Sluice, imports pictures and task files, and prints the progress and the result.
  --exit           exit after the last step (default: both servers run until Ctrl-C)
  --data-dir DIR   store the data in DIR; a second run with the same DIR continues with it (default: a temporary folder)
  --images N       number of pictures in the bucket (default 240); use the same number in each run with one DIR
  --tasks N        number of task files in the bucket (default 80); use the same number in each run with one DIR`

async function play({ client, s3, token }: Stage, images: Folder, tasks: Folder): Promise<void> {
  const project = await openProject(client, 'Discs')
  console.log(`The project is ${project.isNew ? 'new' : 'from an earlier run'}.`)

  const place = { bucket, endpoint: s3.endpoint, accessKeyId: 'demo', secretAccessKey: 'demo' }
  const pictureStorage = await connectStorage(client, {
    projectId: project.id,
    title: 'Pictures',
    importMethod: 'FILES',
    regexFilter: picturesOnly,
    location: { s3: { ...place, prefix: images.prefix } },
  })
  const questionStorage = await connectStorage(client, {
    projectId: project.id,
    title: 'Questions',
    importMethod: 'TASKS',
    location: { s3: { ...place, prefix: tasks.prefix } },
  })
  const storages: Connected[] = [
    { id: pictureStorage, title: 'Pictures', folder: images },
    { id: questionStorage, title: 'Questions', folder: tasks },
  ]

  console.log('\nFirst sync')
  await syncAll(client, project.id, storages)

  console.log('\nThree tasks, with links instead of storage URIs')
  const shown = [...(await newestTasks(client, pictureStorage, 2)), ...(await newestTasks(client, questionStorage, 1))]
  for (const linked of shown) printTask(linked, await checkLink(token, linked, images))

  console.log('\nSecond sync of the same bucket')
  const created = await syncAll(client, project.id, storages)
  if (created > 0) throw new Error(`The second sync created ${created} tasks.`)
}

async function main(interrupted: Promise<unknown>): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      exit: { type: 'boolean', default: false },
      'data-dir': { type: 'string' },
      images: { type: 'string', default: '240' },
      tasks: { type: 'string', default: '80' },
      help: { type: 'boolean', default: false },
    },
  })
  if (options.help) return console.log(usage)
  const images = imageFolder(Number(options.images))
  const tasks = taskFolder(Number(options.tasks), images)
  console.log(`Putting ${images.objects.size + tasks.objects.size} objects into an S3 bucket, and starting Sluice …`)
  const stage = await setStage([images, tasks], options['data-dir'])
  try {
    await Promise.race([play(stage, images, tasks), interrupted.then(() => Promise.reject(new Error()))])
    console.log('\nThe demo checked all these results.')
    if (options.exit) return
    printWhereToLook(stage)
    await interrupted
    console.log('Stopping …')
  } finally {
    await stage.stop()
  }
}

let signal: string | undefined
const interrupted = Promise.race(
  ['SIGINT', 'SIGTERM', 'SIGHUP'].map((name) => once(process, name).then(() => (signal = name))),
)
try {
  await main(interrupted)
} catch (error) {
  console.error(signal ? '\nThe demo was interrupted.' : `\nThe demo failed: ${(error as Error).message}`)
  process.exitCode = 1
}
process.exit()
