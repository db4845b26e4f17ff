import { Migration } from '@mikro-orm/migrations'

/** A project can resolve HTTPS addresses of its buckets. All processes are notified when that changes. */
export class HttpsUrls extends Migration {
  override up(): void {
    this.addSql(`alter table "project" add column "resolve_https_urls" boolean not null default false`)
    this.addSql(`drop trigger "access_change" on "project"`)
    this.addSql(
      `create trigger "access_change" after update of media_key, resolve_https_urls or delete on "project" for each statement execute function "tell_access_change"()`,
    )
  }
}
