import { Migration } from '@mikro-orm/migrations'

const parents = [
  { table: 'task', column: 'project_id', parent: 'project' },
  { table: 'import_link', column: 'storage_id', parent: 'storage' },
  { table: 'import_link', column: 'task_id', parent: 'task' },
]

/**
 * Triggers replace the foreign keys of `task` and `import_link`, which took half of the time of an import: PostgreSQL checks a foreign
 * key for each row, and these triggers check all rows of a statement. They promise the same: no row without its parent, also beside
 * concurrent deletes, and the deletion of a parent deletes its children. docs/scale.md has the measurements.
 */
export class ParentChecks extends Migration {
  override up(): void {
    for (const { table, column, parent } of parents) {
      this.addSql(`alter table "${table}" drop constraint "${table}_${column}_foreign"`)
      // A cached plan from the time when a table was small must not scan the large one.
      const settings = 'language plpgsql set enable_seqscan = off'
      const fault = `raise foreign_key_violation using message = 'A row of ${table} has a ${column} that does not exist.', table = '${table}', column = '${column}'`
      // Nobody else can delete a parent that this transaction has inserted, so it needs no lock.
      this.addSql(`create function "${table}_check_${column}"() returns trigger ${settings} as $$
        declare
          ids bigint[] := array(select id from (select distinct ${column} as id from added) used
            where (select xmin from ${parent} where id = used.id) is distinct from pg_current_xact_id()::xid);
          found bigint;
        begin
          if cardinality(ids) > 0 then
            perform from ${parent} where id = any(ids) order by id for key share;
            get diagnostics found = row_count;
            if found < cardinality(ids) then ${fault}; end if;
          end if;
          return null;
        end $$`)
      this.addSql(`create trigger "${table}_${column}_insert" after insert on "${table}"
        referencing new table as added for each statement execute function "${table}_check_${column}"()`)
      this.addSql(`create function "${table}_check_changed_${column}"() returns trigger ${settings} as $$
        begin
          perform from ${parent} where id = new.${column} for key share;
          if not found then ${fault}; end if;
          return null;
        end $$`)
      this.addSql(`create trigger "${table}_${column}_update" after update of ${column} on "${table}" for each row
        when (old.${column} is distinct from new.${column}) execute function "${table}_check_changed_${column}"()`)
      this.addSql(`create function "${parent}_delete_${table}"() returns trigger ${settings} as $$
        declare ids bigint[] := array(select id from removed);
        begin
          delete from ${table} where ${column} = any(ids);
          return null;
        end $$`)
      this.addSql(`create trigger "${parent}_deletes_${table}" after delete on "${parent}"
        referencing old table as removed for each statement execute function "${parent}_delete_${table}"()`)
    }
  }
}
