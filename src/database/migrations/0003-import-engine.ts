import { Migration } from '@mikro-orm/migrations'

/** Ranges of a listing, filters and policies of imports, kinds of runs; links of objects and of rows in indexes of their own. */
export class ImportEngine extends Migration {
  override up(): void {
    this.addSql(`create table "sync_key" ("run_id" bigint not null, "kind" text not null, "key" text collate "C" not null, primary key ("run_id", "kind", "key"))`)
    this.addSql(`create table "sync_shard" ("run_id" bigint not null, "number" int not null, "after" text collate "C" null, "until" text collate "C" null, "cursor" text collate "C" null, "last_key" text collate "C" null, "pages" int not null default 0, "done" boolean not null default false, "holder" text null, "attempt" int not null default 0, "heartbeat_at" timestamptz not null default now(), primary key ("run_id", "number"))`)
    this.addSql(`alter table "storage" add "filters" jsonb null, add "sync_mode" text not null default 'FULL', add "missing_policy" text not null default 'FLAG', add "changed_policy" text not null default 'IGNORE', add "max_missing" bigint null, add "max_missing_share" double precision null, add "highest_key" text collate "C" null`)
    this.addSql(`alter table "storage" add constraint "storage_sync_mode_check" check ("sync_mode" in ('FULL', 'NEW_ONLY'))`)
    this.addSql(`alter table "storage" add constraint "storage_missing_policy_check" check ("missing_policy" in ('KEEP', 'FLAG', 'DELETE_UNANNOTATED'))`)
    this.addSql(`alter table "storage" add constraint "storage_changed_policy_check" check ("changed_policy" in ('IGNORE', 'UPDATE', 'REPORT'))`)
    this.addSql(`alter table "imported_object" add "finished_by" bigint null, add "size" bigint null, add "etag" text null, add "last_modified" timestamptz null, add "object_exists" boolean not null default true`)
    this.addSql(`alter table "imported_object" alter column "rows" drop not null`)
    this.addSql(`drop index "sync_run_active_unique"`)
    this.addSql(`alter table "sync_run" add "kind" text not null default 'SYNC', add "retry_of" bigint null, add "first_link" bigint null, add "total" bigint null`)
    this.addSql(`alter table "sync_run" add constraint "sync_run_kind_check" check ("kind" in ('SYNC', 'RETRY', 'DRY_RUN', 'CHOSEN'))`)
    this.addSql(`create unique index "sync_run_active_unique" on "sync_run" ("storage_id") where status in ('QUEUED', 'IN_PROGRESS') and kind in ('SYNC', 'RETRY')`)
    this.addSql(`alter table "sync_issue" add constraint "sync_issue_run_id_key_row_group_row_index_unique" unique ("run_id", "key", "row_group", "row_index")`)
    this.addSql(`alter table "import_link" drop constraint "import_link_storage_id_key_row_group_row_index_unique"`)
    this.addSql(`create unique index "import_link_object_unique" on "import_link" ("storage_id", "key") where row_index = -1`)
    this.addSql(`create unique index "import_link_row_unique" on "import_link" ("storage_id", "key", "row_group", "row_index") where row_index <> -1`)
    this.addSql(`alter table "sync_key" add constraint "sync_key_kind_check" check ("kind" in ('MISSING', 'SEEN'))`)
    this.addSql(`alter table "sync_key" add constraint "sync_key_run_id_foreign" foreign key ("run_id") references "sync_run" ("id") on delete cascade`)
    this.addSql(`alter table "sync_shard" add constraint "sync_shard_run_id_foreign" foreign key ("run_id") references "sync_run" ("id") on delete cascade`)
  }
}
