import { Migration } from '@mikro-orm/migrations'

/** Adds a column that the first form of 0003-import-engine lacked, which was edited after databases had run it. */
export class FinishedBy extends Migration {
  override up(): void {
    this.addSql(`alter table "imported_object" add column if not exists "finished_by" bigint null`)
  }
}
