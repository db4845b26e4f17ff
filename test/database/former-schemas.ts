import type { Migration } from '@mikro-orm/migrations'
import { migrations } from '../../src/database/migrations/index.ts'

/** A schema as commits of 24 November made it. */
export interface FormerSchema {
  /** The first and the last of them. */
  commits: string
  /** Migrations with the names that they had then. */
  migrations: typeof migrations
}

/** The migration under the name that it had, with the statements that it had. */
function former(present: string, { name = present, edit = (text: string) => text } = {}): (typeof migrations)[number] {
  const found = migrations.find((one) => one.name === present)!
  const Former = class extends found.class {
    override addSql(query: Parameters<Migration['addSql']>[0]): void {
      super.addSql(typeof query === 'string' ? edit(query) : query)
    }
  }
  return { name, class: Former as typeof found.class }
}

const first = ['0001-first-light', '0002-job-queue'].map((name) => former(name))
const importEngine = former('0003-import-engine')
const firstImportEngine = former('0003-import-engine', {
  edit: (text) => text.replace('add "finished_by" bigint null, ', ''),
})
const webhooks = former('0004-webhooks')
const exports = former('0005-export')
const media = former('0006-resolve')
const origins = former('0007-task-origins', { name: '0008-task-origins' })
const secrets = former('0008-webhook-secrets')

/** Every schema of that day that the present migrations do not lead to by themselves, oldest first. */
export const formerSchemas: FormerSchema[] = [
  { commits: '011a9c9 to 834d0e6', migrations: [...first, exports] },
  { commits: 'd3e8a25 to 5dfcb77', migrations: [...first, webhooks, exports] },
  { commits: '9461d05 to 57d962d', migrations: [...first, firstImportEngine, webhooks, exports] },
  { commits: 'e8364f0', migrations: [...first, firstImportEngine, webhooks, exports, secrets] },
  { commits: 'bd4dc56 to d3c3ee2', migrations: [...first, firstImportEngine, webhooks, exports, origins, secrets] },
  { commits: 'ec0545f to 14334c7', migrations: [...first, importEngine, webhooks, exports, origins, secrets] },
  { commits: '93df07d to 9b41d6d', migrations: [...first, importEngine, webhooks, exports, media, origins, secrets] },
]
