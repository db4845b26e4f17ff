import { Migration } from '@mikro-orm/migrations'

/** The owner of a range publishes up to which key it reads objects, and nobody splits the range before that key. */
export class ReadsTo extends Migration {
  override up(): void {
    this.addSql(`alter table "sync_shard" add column "reads_to" text collate "C" null`)
  }
}
