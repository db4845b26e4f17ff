import { Migration } from '@mikro-orm/migrations'

/** The key that a webhook had before, for receivers that change over. */
export class WebhookSecrets extends Migration {
  override up(): void {
    this.addSql(`alter table "webhook" add column "former_secret" text null, add column "former_secret_until" timestamptz null`)
  }
}
