import { Migration } from '@mikro-orm/migrations'

/** Runs import the objects of chosen keys. */
export class ChosenKeys extends Migration {
  override up(): void {
    this.addSql(`alter table "sync_key" drop constraint "sync_key_kind_check"`)
    this.addSql(
      `alter table "sync_key" add constraint "sync_key_kind_check" check ("kind" in ('MISSING', 'SEEN', 'UNREAD', 'SHRUNK', 'CHOSEN'))`,
    )
  }
}
