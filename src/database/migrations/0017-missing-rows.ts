import { Migration } from '@mikro-orm/migrations'

/**
 * Links say whether their row is still in its object; earlier versions flagged such links, and then forgot why. Runs remember
 * which folders they could not list.
 */
export class MissingRows extends Migration {
  override up(): void {
    this.addSql(`alter table "import_link" add column "row_exists" boolean not null default true`)
    this.addSql(`alter table "sync_key" add column "rows" int null`)
    this.addSql(`alter table "sync_key" drop constraint "sync_key_kind_check"`)
    this.addSql(
      `alter table "sync_key" add constraint "sync_key_kind_check" check ("kind" in ('MISSING', 'SEEN', 'UNREAD', 'SHRUNK'))`,
    )
    this.addSql(
      `update "import_link" l set "row_exists" = false from "imported_object" o where not l."object_exists" and o."storage_id" = l."storage_id" and o."key" = l."key" and o."object_exists" and o."rows" is not null`,
    )
    this.addSql(
      `update "import_link" l set "row_exists" = false from "import_link" w where not l."object_exists" and l."row_index" <> -1 and w."storage_id" = l."storage_id" and w."key" = l."key" and w."row_index" = -1 and w."object_exists"`,
    )
    this.addSql(
      `create index "import_link_outdated_index" on "import_link" ("storage_id", "id") where not row_exists`,
    )
  }
}
