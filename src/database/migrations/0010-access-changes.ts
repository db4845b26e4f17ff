import { Migration } from '@mikro-orm/migrations'

/** Processes are told when it changes who may read what, and from where: what sync changes in these tables is none of it. */
export class AccessChanges extends Migration {
  override up(): void {
    this.addSql(`create function "tell_access_change"() returns trigger language plpgsql as $$ begin perform pg_notify('sluice_access', ''); return null; end $$`)
    const tell = (table: string, events: string) =>
      this.addSql(`create trigger "access_change" after ${events} on "${table}" for each statement execute function "tell_access_change"()`)
    tell('api_token', 'update or delete')
    tell('project', 'update of media_key or delete')
    tell('storage', 'insert or delete or update of project_id, direction, provider, location, secrets, presign, presign_ttl_minutes, updated_at')
    tell('task', 'delete or update of project_id')
    tell('import_link', 'delete or update of task_id, storage_id')
  }
}
