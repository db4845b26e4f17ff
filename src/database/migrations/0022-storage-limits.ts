import { Migration } from '@mikro-orm/migrations'

/** A storage can have limits for requests and bytes per second. All processes reserve parts of its budget in one row. */
export class StorageLimits extends Migration {
  override up(): void {
    this.addSql(`alter table "storage" add column "max_requests_per_second" bigint null, add column "max_bytes_per_second" bigint null`)
    this.addSql(
      `create table "storage_budget" ("storage_id" bigint not null, "requests_until" timestamptz not null default now(), "bytes_until" timestamptz not null default now(), primary key ("storage_id"))`,
    )
    this.addSql(
      `alter table "storage_budget" add constraint "storage_budget_storage_id_foreign" foreign key ("storage_id") references "storage" ("id") on update cascade on delete cascade`,
    )
  }
}
