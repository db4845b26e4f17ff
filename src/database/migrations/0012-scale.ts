import { Migration } from '@mikro-orm/migrations'

/** Links whose object is gone are found without reading all others. */
export class Scale extends Migration {
  override up(): void {
    this.addSql(`create index "import_link_gone_index" on "import_link" ("storage_id", "id") where not object_exists`)
  }
}
