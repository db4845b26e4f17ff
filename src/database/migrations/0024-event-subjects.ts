import { Migration } from '@mikro-orm/migrations'

/**
 * An event has a subject instead of a run. Rows of the version before have only `run`, and `subject_id` is null: to fill it would
 * rewrite the log (1 minute for a million events) while all writers of events wait.
 */
export class EventSubjects extends Migration {
  override up(): void {
    this.addSql(
      `alter table "event" add column "subject_type" text not null default 'RUN', add column "subject_id" bigint null, alter column "storage" drop not null, alter column "run" drop not null`,
    )
  }
}
