import { Migration } from '@mikro-orm/migrations'

/** What tells a process that its SECRET_KEY is another one than that of the others. */
export class KeyProbe extends Migration {
  override up(): void {
    this.addSql(`create table "key_probe" ("id" int not null, "sealed" text not null, primary key ("id"))`)
  }
}
