import { Migration } from '@mikro-orm/migrations'

/** Runs detect moved objects, whose tasks get the new key. */
export class Moves extends Migration {
  override up(): void {
    this.addSql(`alter table "storage" add column "detect_moves" boolean not null default true`)
    this.addSql(`alter table "sync_run" add column "moved" bigint not null default '0'`)
    this.addSql(`alter table "sync_key" add column "to_key" text collate "C" null`)
    this.addSql(`alter table "sync_key" drop constraint "sync_key_kind_check"`)
    this.addSql(
      `alter table "sync_key" add constraint "sync_key_kind_check" check ("kind" in ('MISSING', 'SEEN', 'UNREAD', 'SHRUNK', 'CHOSEN', 'MOVED'))`,
    )
  }
}
