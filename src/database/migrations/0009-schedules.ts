import { Migration } from '@mikro-orm/migrations'

/** Rounds of the fleet, schedules of storages, and what is known of a run's attempts. Repeating jobs of the queue end. */
export class Schedules extends Migration {
  override up(): void {
    this.addSql(`create table "round" ("name" text not null, "due_at" timestamptz not null default now(), primary key ("name"))`)
    this.addSql(`create table "sync_schedule" ("storage_id" bigint not null, "cron" text not null, "time_zone" text not null, "jitter_seconds" int not null default 0, "export_scope" text not null default 'ALL', "skip_unchanged" boolean not null default false, "next_run_at" timestamptz not null, "last_run" bigint null, "failures_in_row" int not null default 0, "paused_at" timestamptz null, "created_at" timestamptz not null default now(), "updated_at" timestamptz not null default now(), primary key ("storage_id"))`)
    this.addSql(`alter table "sync_schedule" add constraint "sync_schedule_export_scope_check" check ("export_scope" in ('ALL', 'NEW'))`)
    this.addSql(`create index "sync_schedule_next_run_at_index" on "sync_schedule" ("next_run_at")`)
    this.addSql(`alter table "sync_schedule" add constraint "sync_schedule_storage_id_foreign" foreign key ("storage_id") references "storage" ("id") on update cascade on delete cascade`)
    this.addSql(`alter table "sync_run" add column "excused" int not null default 0, add column "requeued" boolean not null default false`)
    this.addSql(`create index "sync_run_active_index" on "sync_run" ("storage_id") where status in ('QUEUED', 'IN_PROGRESS')`)
    this.addSql(`delete from "agenda_jobs" where "repeat_interval" is not null`)
  }
}
