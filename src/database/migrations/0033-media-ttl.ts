import { Migration } from '@mikro-orm/migrations'

/** Presigned URLs for players have a lifetime of their own. A lifetime that somebody has chosen applies to them, too. */
export class MediaTtl extends Migration {
  override up(): void {
    this.addSql(`alter table "storage" add column "media_ttl_minutes" int not null default 480`)
    this.addSql(`update "storage" set "media_ttl_minutes" = "presign_ttl_minutes" where "presign_ttl_minutes" <> 15`)
  }
}
