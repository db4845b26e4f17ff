import { Migration } from '@mikro-orm/migrations'

/** A storage limits the media that tasks contain as data URLs. */
export class InlineBytes extends Migration {
  override up(): void {
    this.addSql(`alter table "storage" add column "max_inline_bytes" int not null default 262144`)
  }
}
