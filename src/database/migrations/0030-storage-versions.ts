import { Migration } from '@mikro-orm/migrations'

/**
 * A storage has a version, which grows when its location, a filter or its method changes, by whomever. Runs that have begun with an older
 * version are outdated, and may write nothing more. NEW_ONLY starts again from the first key of another location.
 */
export class StorageVersions extends Migration {
  override up(): void {
    this.addSql(`alter table "storage" add column "version" int not null default 1`)
    this.addSql(`alter table "sync_run" add column "outdated" boolean not null default false`)
    this.addSql(`create function storage_raise_version() returns trigger language plpgsql as $$
      begin
        new.version := old.version + 1;
        if (new.provider, new.location) is distinct from (old.provider, old.location) then
          new.highest_key := null;
        end if;
        return new;
      end $$`)
    const columns = ['provider', 'location', 'import_method', 'rows_path', 'regex_filter', 'filters', 'recursive', 'skip_sidecars', 'export_format', 'name_template']
    const row = (name: string) => `(${columns.map((column) => `${name}."${column}"`).join(', ')})`
    this.addSql(`create trigger "storage_version" before update on "storage" for each row
      when (${row('old')} is distinct from ${row('new')}) execute function storage_raise_version()`)
    // It waits for the writes of runs, since those lock the run. A run that begins at the same time is also waited for, so all active
    // runs are updated.
    this.addSql(`create function storage_outdate_runs() returns trigger language plpgsql as $$
      begin
        update sync_run set outdated = outdated or started_at is not null
        where storage_id = new.id and status in ('QUEUED', 'IN_PROGRESS');
        return null;
      end $$`)
    this.addSql(`create trigger "storage_outdates_runs" after update on "storage" for each row
      when (old.version <> new.version) execute function storage_outdate_runs()`)
    // The lock makes a new run wait until a change of its storage is committed. Runs of one storage are inserted one after the other: with
    // a shared lock, two that then update the storage would wait for each other.
    this.addSql(`create or replace function sync_run_set_place() returns trigger language plpgsql as $$
      begin
        select s.project_id, s.direction into new.share_project, new.share_direction
        from storage s where s.id = new.storage_id for no key update;
        return new;
      end $$`)
  }
}
