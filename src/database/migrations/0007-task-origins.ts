import { Migration } from '@mikro-orm/migrations'

/** Which task several objects, of one annotation each, are about. */
export class TaskOrigins extends Migration {
  override up(): void {
    this.addSql(`create table "task_origin" ("storage_id" bigint not null, "origin" text not null, "task_id" bigint not null, primary key ("storage_id", "origin"))`)
    this.addSql(`create index "task_origin_task_id_index" on "task_origin" ("task_id")`)
    this.addSql(`alter table "task_origin" add constraint "task_origin_storage_id_foreign" foreign key ("storage_id") references "storage" ("id") on delete cascade`)
    this.addSql(`alter table "task_origin" add constraint "task_origin_task_id_foreign" foreign key ("task_id") references "task" ("id") on delete cascade`)
  }
}
