import { Migration } from '@mikro-orm/migrations'

/**
 * Rows of a changed object are matched with its links by their content. Until the object is read to its end, its rows wait in
 * `import_row`. Labels remember the link whose file they follow, and what they were in it. The functions never raise an error, because the JSON of a task can contain what `jsonb` and `text` cannot store.
 */
export class RowIdentity extends Migration {
  override up(): void {
    this.addSql(`alter table "storage" add column "row_key" text null`)
    this.addSql(
      `create table "link_envelope" ("link_id" bigint not null, "envelope_id" text not null, primary key ("link_id"))`,
    )
    this.addSql(
      `alter table "link_envelope" add constraint "link_envelope_link_id_foreign" foreign key ("link_id") references "import_link" ("id") on update cascade on delete cascade`,
    )
    this.addSql(
      `create unlogged table "import_row" ("read_id" uuid not null, "row_group" int not null, "row_index" int not null, "run_id" bigint not null, "envelope_id" text null, "data" json not null, "meta" json null, "allow_skip" boolean not null, "extra" json null, "labels" json null, "created_at" timestamptz null, "updated_at" timestamptz null, "origin" text null, primary key ("read_id", "row_group", "row_index"))`,
    )
    for (const table of ['annotation', 'prediction']) {
      this.addSql(`alter table "${table}" add column "source_link" bigint null, add column "file_hash" uuid null`)
    }
    this.addSql(
      `create table "deleted_label" ("id" bigserial primary key, "link_id" bigint not null, "kind" text not null, "import_id" text null, "file_hash" uuid not null)`,
    )
    this.addSql(`create index "deleted_label_link_id_index" on "deleted_label" ("link_id")`)
    this.addSql(
      `alter table "deleted_label" add constraint "deleted_label_link_id_foreign" foreign key ("link_id") references "import_link" ("id") on delete cascade`,
    )
    this.addSql(
      `alter table "deleted_label" add constraint "deleted_label_kind_check" check ("kind" in ('ANNOTATION', 'PREDICTION'))`,
    )
    this.addSql(`alter table "sync_issue" drop constraint "sync_issue_run_id_key_row_group_row_index_unique"`)
    this.addSql(
      `alter table "sync_issue" add constraint "sync_issue_run_id_key_row_group_row_index_code_unique" unique ("run_id", "key", "row_group", "row_index", "code")`,
    )
    this.addSql(`create function "canonical_json"("value" json) returns text language plpgsql immutable parallel safe as $$
      begin return value::jsonb::text; exception when others then return value::text; end $$`)
    this.addSql(`create function "json_text_at"("value" json, "path" text[]) returns text language plpgsql immutable parallel safe as $$
      begin return value #>> path; exception when others then return null; end $$`)
  }
}
