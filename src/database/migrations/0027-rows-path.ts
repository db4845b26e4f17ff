import { Migration } from '@mikro-orm/migrations'

/** A storage can say where the rows of a data set in one object are. */
export class RowsPath extends Migration {
  override up(): void {
    this.addSql(`alter table "storage" add column "rows_path" text null`)
  }
}
