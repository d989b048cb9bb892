/**
 * Takes over a database that was created before the migrations were squashed into one file a room. Until then 19 other
 * files (migrations/unsquashed/) built the same schema, so a database of the unreleased 0.1.0 lists their names. It
 *
 * 1. gets those of the old migrations that it lacks;
 * 2. gets the functions and comments of the squashed files, which differ from the old ones in wording alone;
 * 3. lists the names of the squashed files instead of the old ones.
 *
 * After that the database is the same as one that the squashed files created. The rows of all other tables stay as they
 * are. A gateway of the old version that is running goes on working, because the schema that it knows is the same. One that
 * starts afterwards stops with an error, because it does not know the names.
 */
import { join } from 'node:path'
import type pg from 'pg'
import { applyMissing, migrationNames, readMigration } from './migration-files.js'

/** The folder of the old migrations, in that of the others. Nobody edits them any more. */
const OLD = 'unsquashed'
/** The migrations up to this one build what the old ones did. Later ones are changes. */
const LAST_SQUASHED = '0016_rate_windows'

/** A function or a comment as our files write it: from the beginning of a line to the end of one. */
const DEFINITION = /^(?:create function [^$]*?(?:^as \$\$.*?^\$\$;|^return .*?;)|comment on .*?;)$/gms

/**
 * Does nothing to a database without migrations, or with those of `folder`.
 * @returns whether it took the database over.
 * @throws when the database has migrations that are not known, or not the first ones of either kind.
 */
export async function takeOver(client: pg.Client, folder: string): Promise<boolean> {
  const applied = await appliedNames(client)
  const [names, oldNames] = await Promise.all([migrationNames(folder), migrationNames(join(folder, OLD))])
  refuseUnknown(applied, [...names, ...oldNames])
  if (isBeginning(applied, names)) return false
  if (!isBeginning(applied, oldNames)) {
    throw new Error(
      `The database has the migrations ${applied.join(', ')}, in this order, and no version of Sluice makes such a ` +
        'database. Restore the table sluice.migrations, or the whole database, from a backup.',
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

async function appliedNames(client: pg.Client): Promise<string[]> {
  const table = await client.query<{ name: string | null }>(`select to_regclass('sluice.migrations') as name`)
  if (table.rows[0]?.name == null) return []
  const { rows } = await client.query<{ name: string }>(
    'select name from sluice.migrations order by run_on, id',
  )
  return rows.map(({ name }) => name)
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

/** The functions and comments that a migration defines, as statements that redefine them. */
function redefinitions(sql: string): string {
  const definitions = Array.from(sql.matchAll(DEFINITION), ([text]) => text)
  return definitions.map(text => text.replace(/^create function/, 'create or replace function')).join('\n')
}
