import { Migration } from '@mikro-orm/migrations'

/** Maps URL prefixes of other tools to storages. A trigger notifies all processes of changes, as for storages. */
export class UrlMappings extends Migration {
  override up(): void {
    this.addSql(`create table "url_mapping" ("project_id" bigint not null, "prefix" text collate "C" not null, "storage_id" bigint not null, "key_prefix" text null, primary key ("project_id", "prefix"))`)
    this.addSql(`create index "url_mapping_storage_id_index" on "url_mapping" ("storage_id")`)
    this.addSql(`alter table "url_mapping" add constraint "url_mapping_project_id_foreign" foreign key ("project_id") references "project" ("id") on delete cascade`)
    this.addSql(`alter table "url_mapping" add constraint "url_mapping_storage_id_foreign" foreign key ("storage_id") references "storage" ("id") on delete cascade`)
    this.addSql(`create trigger "access_change" after insert or update or delete on "url_mapping" for each statement execute function "tell_access_change"()`)
  }
}
