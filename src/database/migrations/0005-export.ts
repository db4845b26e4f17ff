import { Migration } from '@mikro-orm/migrations'

/** Settings of export storages, the outbox of pending exports, and what runs of exports know. */
export class Export extends Migration {
  override up(): void {
    this.addSql(`alter table "storage" add column "export_format" text not null default 'ANNOTATION', add column "name_template" text null, add column "auto_export" boolean not null default true, add column "can_delete_objects" boolean not null default false, add column "drain_at" timestamptz null`)
    this.addSql(`alter table "storage" add constraint "storage_export_format_check" check ("export_format" in ('ANNOTATION', 'TASK'))`)
    this.addSql(`alter table "export_link" add column "hash" text null`)
    this.addSql(`create index "export_link_storage_id_id_index" on "export_link" ("storage_id", "id")`)
    this.addSql(`alter table "sync_issue" add column "annotation" bigint null, add column "task" bigint null`)
    this.addSql(`alter table "sync_run" add column "export_scope" text not null default 'ALL', add column "skip_unchanged" boolean not null default false, add column "selected" bigint not null default '0'`)
    this.addSql(`alter table "sync_run" add constraint "sync_run_export_scope_check" check ("export_scope" in ('ALL', 'NEW'))`)
    this.addSql(`create table "chosen_annotation" ("run_id" bigint not null, "annotation" bigint not null, primary key ("run_id", "annotation"))`)
    this.addSql(`alter table "chosen_annotation" add constraint "chosen_annotation_run_id_foreign" foreign key ("run_id") references "sync_run" ("id") on delete cascade`)
    this.addSql(`create table "outbox" ("id" bigserial primary key, "storage_id" bigint not null, "kind" text not null, "subject" bigint not null, "version" int not null default 1, "attempts" int not null default 0, "key" text collate "C" null, "lease" text null, "due_at" timestamptz not null default now(), "failure" text null, "created_at" timestamptz not null default now())`)
    this.addSql(`alter table "outbox" add constraint "outbox_kind_check" check ("kind" in ('ANNOTATION', 'TASK'))`)
    this.addSql(`create index "outbox_storage_id_due_at_index" on "outbox" ("storage_id", "due_at")`)
    this.addSql(`alter table "outbox" add constraint "outbox_storage_id_kind_subject_unique" unique ("storage_id", "kind", "subject")`)
    this.addSql(`alter table "outbox" add constraint "outbox_storage_id_foreign" foreign key ("storage_id") references "storage" ("id") on delete cascade`)
  }
}
