import { Migration } from '@mikro-orm/migrations'

/** A storage can be paused. */
export class PausedStorages extends Migration {
  override up(): void {
    this.addSql(`alter table "storage" add column "synchronizable" boolean not null default true`)
  }
}
