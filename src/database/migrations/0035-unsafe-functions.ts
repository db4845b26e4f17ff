import { Migration } from '@mikro-orm/migrations'

/** Before PostgreSQL 17, a parallel plan cannot start the subtransaction in which these functions catch errors. */
export class UnsafeFunctions extends Migration {
  override up(): void {
    this.addSql(`alter function "canonical_json"(json) parallel unsafe`)
    this.addSql(`alter function "json_text_at"(json, text[]) parallel unsafe`)
  }
}
