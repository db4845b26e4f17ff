import { Migration } from '@mikro-orm/migrations'

/** Import storages skip sidecar files, existing ones too, and can add the columns of Hive folders to the data. */
export class FileSettings extends Migration {
  override up(): void {
    this.addSql(
      `alter table "storage" add column "skip_sidecars" boolean not null default true, add column "hive_columns" boolean not null default false`,
    )
  }
}
