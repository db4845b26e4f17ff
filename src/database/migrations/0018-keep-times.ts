import { Migration } from '@mikro-orm/migrations'

/** Imports keep the times of their files. Annotations say which token of this server saved them, which no file can. */
export class KeepTimes extends Migration {
  override up(): void {
    this.addSql(`alter table "storage" add column "keep_times" boolean not null default true`)
    this.addSql(`alter table "annotation" add column "author" text null`)
  }
}
