/**
 * Takes over a database that was created before the migrations were squashed into one file a room. Until then 19 other
 * files (migrations/unsquashed/) built the same schema, and such a database lists their names. The takeover
 *
 * 1. applies the old migrations that the database lacks;
 * 2. redefines functions and comments as the squashed files have them, which differ from the old ones in wording only;
 * 3. replaces the old names in `sluice.migrations` by the squashed ones.
 *
 * The database is then the same as one that the squashed files created, and every row of its other tables is as it was. A
 * running gateway of the old version keeps working, because the schema is the one that it knows. If an old gateway starts
 * afterwards, it stops with an error, because it does not know the names.
 */
import { join } from 'node:path'
import type pg from 'pg'
import { appliedNames, applyMissing, migrationNames, readMigration } from './migration-files.js'

/** The folder of the old migrations, inside that of the present ones. They are never edited. */
const OLD = 'unsquashed'
/** The migrations up to this one build the schema of the old ones. Later ones change it. */
const LAST_SQUASHED = '0016_rate_windows'

/**
 * Does nothing if the database has no migrations yet, or those of `folder`. The caller holds the lock of migrations.
 * @returns whether it took the database over.
 * @throws if the database has unknown migrations, or neither the first old nor the first present ones.
 */
export async function takeOver(client: pg.ClientBase, folder: string): Promise<boolean> {
  const applied = await appliedNames(client)
  const [names, oldNames] = await Promise.all([migrationNames(folder), migrationNames(join(folder, OLD))])
  refuseUnknown(applied, [...names, ...oldNames])
  if (isBeginning(applied, names)) return false
  if (!isBeginning(applied, oldNames)) {
    throw new Error(
      `The table sluice.migrations lists ${applied.join(', ')}, in this order, and no version of Sluice writes such a ` +
        'list. Restore the table, or the whole database, from a backup.',
    )
  }
  const squashed = names.slice(0, names.indexOf(LAST_SQUASHED) + 1)
  await applyMissing(client, join(folder, OLD))
  for (const name of squashed) await client.query(redefinitions(await readMigration(folder, name)))
  await client.query('delete from sluice.migrations')
  await client.query(
    `insert into sluice.migrations (name, run_on)
     select n.name, now() from unnest($1::text[]) with ordinality as n (name, place) order by n.place`,
    [squashed],
  )
  return true
}

function refuseUnknown(applied: readonly string[], known: readonly string[]): void {
  const unknown = applied.filter(name => !known.includes(name))
  if (unknown.length > 0) {
    throw new Error(
      `This database was migrated by a newer Sluice (${unknown.join(', ')}). Run that version or newer.`,
    )
  }
}

function isBeginning(applied: readonly string[], names: readonly string[]): boolean {
  return applied.every((name, i) => name === names[i])
}

/**
 * The functions and comments of a migration, as statements that replace them. In our files each begins with its own line
 * and ends with one: a body in `$$` with the line `$$;`, everything else with the first line that ends with `;`.
 */
function redefinitions(sql: string): string {
  const lines: string[] = []
  let reading: 'nothing' | 'statement' | 'body' = 'nothing'
  for (const line of sql.split('\n')) {
    if (reading === 'nothing' && /^(create function|comment on) /.test(line)) reading = 'statement'
    if (reading === 'nothing') continue
    lines.push(line.replace(/^create function/, 'create or replace function'))
    if (line.startsWith('as $$')) reading = 'body'
    if (reading === 'body' ? line === '$$;' : line.endsWith(';')) reading = 'nothing'
  }
  return lines.join('\n')
}
