import { Migration } from '@mikro-orm/migrations'

/** Runs tell that they wait for a storage that is away. */
export class RunWaiting extends Migration {
  override up(): void {
    this.addSql('alter table "sync_run" add column "waiting" jsonb null')
  }
}
