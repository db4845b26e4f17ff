import { Migration } from '@mikro-orm/migrations'

/** Runs of the kind RELOCATE give links the keys of another prefix. */
export class Relocations extends Migration {
  override up(): void {
    this.addSql(`alter table "sync_run" add column "relocation" jsonb null`)
    this.addSql(`alter table "sync_run" drop constraint "sync_run_kind_check"`)
    this.addSql(
      `alter table "sync_run" add constraint "sync_run_kind_check" check ("kind" in ('SYNC', 'RETRY', 'DRY_RUN', 'CHOSEN', 'RELOCATE'))`,
    )
  }
}
