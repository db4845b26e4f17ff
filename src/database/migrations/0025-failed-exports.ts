import { Migration } from '@mikro-orm/migrations'

/** Finds the pending exports of a storage that have failed, without reading those that have not. */
export class FailedExports extends Migration {
  override up(): void {
    this.addSql(`create index "outbox_failed_index" on "outbox" ("storage_id") where failure is not null`)
  }
}
