import { Migration } from '@mikro-orm/migrations'

/** Runs wait for the share of their project: which project they are of, in which lane their job is, and how many workers there are. */
export class FairShares extends Migration {
  override up(): void {
    this.addSql(`create table "worker" ("id" text not null, "slots" int not null, "seen_at" timestamptz not null default now(), primary key ("id"))`)
    this.addSql(`alter table "sync_run" add column "share_project" bigint null, add column "share_direction" text null, add column "lane" text null`)
    this.addSql(`update "sync_run" r set "share_project" = s."project_id", "share_direction" = s."direction", "lane" = case when r."status" in ('QUEUED', 'IN_PROGRESS') then 'MAIN' end from "storage" s where s."id" = r."storage_id"`)
    this.addSql(`alter table "sync_run" alter column "share_project" set not null, alter column "share_direction" set not null`)
    this.addSql(`alter table "sync_run" add constraint "sync_run_share_direction_check" check ("share_direction" in ('IMPORT', 'EXPORT')), add constraint "sync_run_lane_check" check ("lane" in ('MAIN', 'EXTRA'))`)
    this.addSql(`create index "sync_run_waiting_index" on "sync_run" ("share_direction", "share_project", "id") where status = 'QUEUED' and lane is null and job_id is null`)
    this.addSql(`create index "sync_run_dispatched_index" on "sync_run" ("share_direction", "share_project") where status = 'IN_PROGRESS' or (status = 'QUEUED' and (lane is not null or job_id is not null))`)
    // Both follow from the storage, whoever inserts the run.
    this.addSql(`create function sync_run_set_place() returns trigger language plpgsql as $$
      begin
        select s.project_id, s.direction into new.share_project, new.share_direction from storage s where s.id = new.storage_id;
        return new;
      end $$`)
    this.addSql(`create trigger "sync_run_place" before insert on "sync_run" for each row execute function sync_run_set_place()`)
  }
}
