import pg from 'pg'
import { playRowsRound, type RowsVerdict } from './rows-round.ts'
import { setStage } from './stage.ts'
import { createWorkers } from './workers.ts'

/** Plays a round for each seed, one after the other. */
export async function playRows(
  { first, seeds, killShare }: { first: number; seeds: number; killShare?: number },
  tell: (verdict: RowsVerdict) => void = () => {},
): Promise<RowsVerdict[]> {
  const stage = await setStage()
  const created = await stage.createDatabase()
  const { user, password, host } = created.connection as { user: string; password: string; host: string }
  const workers = createWorkers({
    DATABASE_URL: `postgres:///${created.name}?host=${host}&user=${user}&password=${encodeURIComponent(password)}`,
    DATA_DIR: stage.folder,
    SECRET_KEY: 'torture-secret-key-torture-secret-key',
    STORAGE_IN_PROGRESS_TIMER: '0.2',
  })
  const database = new pg.Pool(created.connection)
  const verdicts: RowsVerdict[] = []
  try {
    await workers.start()
    for (let seed = first; seed < first + seeds; seed++) {
      const verdict = await playRowsRound(
        { s3: stage.s3, workers, database },
        seed,
        killShare === undefined ? {} : { killShare },
      )
      verdicts.push(verdict)
      tell(verdict)
    }
    return verdicts
  } finally {
    await workers.stop()
    await database.end()
    await created.drop()
    await stage.stop()
  }
}
