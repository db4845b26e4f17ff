import progress from 'cli-progress'
import type { Run } from './api.ts'

/** Shows how far syncs are. */
export interface Progress {
  show(storageId: string, run: Run): void
  end(): void
}

/** Objects of a run that have come to an end of some kind. */
const done = ({ counters }: Run) => counters.created + counters.existed + counters.failed + counters.skipped

/** Bars in a terminal, and a line for every change elsewhere. `total` is the number of objects, which the demo knows. */
export function showProgress(storages: { id: string; title: string; total: number }[]): Progress {
  return process.stdout.isTTY ? bars(storages) : lines(storages)
}

function bars(storages: { id: string; title: string; total: number }[]): Progress {
  const all = new progress.MultiBar(
    { format: '  {title} [{bar}] {value}/{total} {status}', stream: process.stdout, barsize: 30, hideCursor: true },
    progress.Presets.shades_classic,
  )
  const byId = new Map(
    storages.map(({ id, title, total }) => [id, all.create(total, 0, { title: title.padEnd(9), status: '' })]),
  )
  return {
    show: (id, run) => byId.get(id)?.update(done(run), { status: run.status }),
    end: () => all.stop(),
  }
}

function lines(storages: { id: string; title: string; total: number }[]): Progress {
  return {
    show(id, run) {
      const { title, total } = storages.find((storage) => storage.id === id)!
      console.log(`  ${title.padEnd(9)} ${String(done(run)).padStart(6)}/${total} ${run.status}`)
    },
    end: () => {},
  }
}
