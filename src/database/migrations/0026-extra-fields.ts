import { Migration } from '@mikro-orm/migrations'

/**
 * Fields of imported tasks, annotations and predictions that have no column are stored, so that exports can write them. Those of tasks
 * have a table of their own: a ninth column would add eight bytes to every task (PostgreSQL, "Database Page Layout": the null bitmap).
 */
export class ExtraFields extends Migration {
  override up(): void {
    this.addSql(`create table "task_extra" ("task_id" bigint not null, "extra" json not null, primary key ("task_id"))`)
    this.addSql(
      `alter table "task_extra" add constraint "task_extra_task_id_foreign" foreign key ("task_id") references "task" ("id") on update cascade on delete cascade`,
    )
    this.addSql(`alter table "annotation" add column "extra" json null`)
    this.addSql(`alter table "prediction" add column "extra" json null`)
  }
}
