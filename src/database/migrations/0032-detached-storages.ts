import { Migration } from '@mikro-orm/migrations'

/** A deleted import storage with links stays as a detached one, so that the same storage can adopt them when it is connected again. */
export class DetachedStorages extends Migration {
  override up(): void {
    this.addSql(`alter table "storage" add column "detached_at" timestamptz null`)
    this.addSql(`create index "storage_detached_index" on "storage" ("project_id") where detached_at is not null`)
  }
}
