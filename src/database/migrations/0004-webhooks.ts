import { Migration } from '@mikro-orm/migrations'

/** Webhooks, how far each has been told, and the log of what was sent to them. */
export class Webhooks extends Migration {
  override up(): void {
    this.addSql(`create table "webhook" ("id" bigserial primary key, "project_id" bigint not null, "url" text not null, "secret" text not null, "actions" text[] not null, "active" boolean not null default true, "last_event" bigint not null default '0', "leased_until" timestamptz null, "created_at" timestamptz not null default now(), "updated_at" timestamptz not null default now())`)
    this.addSql(`create index "webhook_project_id_id_index" on "webhook" ("project_id", "id")`)
    this.addSql(`create table "webhook_cursor" ("webhook_id" bigint not null, "storage_id" bigint not null, "last_link" bigint not null, primary key ("webhook_id", "storage_id"))`)
    this.addSql(`create index "webhook_cursor_storage_id_index" on "webhook_cursor" ("storage_id")`)
    this.addSql(`create table "webhook_delivery" ("id" bigserial primary key, "webhook_id" bigint not null, "message_id" uuid not null default gen_random_uuid(), "action" text not null, "payload" text not null, "status" text not null default 'PENDING', "attempts" int not null default 0, "next_attempt_at" timestamptz not null default now(), "attempted_at" timestamptz null, "response_status" int null, "response_body" text null, "error" text null, "created_at" timestamptz not null default now(), "delivered_at" timestamptz null)`)
    this.addSql(`create index "webhook_delivery_webhook_id_id_index" on "webhook_delivery" ("webhook_id", "id")`)
    this.addSql(`create index "webhook_delivery_pending_index" on "webhook_delivery" ("webhook_id", "id") where status = 'PENDING'`)
    this.addSql(`create index "event_project_id_index" on "event" ("project", "id")`)
    this.addSql(`alter table "webhook" add constraint "webhook_project_id_foreign" foreign key ("project_id") references "project" ("id") on delete cascade`)
    this.addSql(`alter table "webhook_cursor" add constraint "webhook_cursor_webhook_id_foreign" foreign key ("webhook_id") references "webhook" ("id") on update cascade on delete cascade`)
    this.addSql(`alter table "webhook_cursor" add constraint "webhook_cursor_storage_id_foreign" foreign key ("storage_id") references "storage" ("id") on update cascade on delete cascade`)
    this.addSql(`alter table "webhook_delivery" add constraint "webhook_delivery_webhook_id_foreign" foreign key ("webhook_id") references "webhook" ("id") on delete cascade`)
    this.addSql(`alter table "webhook_delivery" add constraint "webhook_delivery_status_check" check ("status" in ('PENDING', 'DELIVERED', 'FAILED'))`)
  }
}
