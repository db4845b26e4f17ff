import { Migration } from '@mikro-orm/migrations'

/** The keys that sign media tokens. */
export class Resolve extends Migration {
  override up(): void {
    this.addSql(`alter table "project" add column "media_key" text null`)
  }
}
