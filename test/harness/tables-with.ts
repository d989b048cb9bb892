/** Searches the whole schema for texts, to show that a trace is left or is not. */
import type { Database } from '../../src/database/pool.js'

/** The tables of the schema that have one of these texts in any column, by name. */
export async function tablesWith(pool: Database, texts: readonly string[]): Promise<string[]> {
  const { rows: tables } = await pool.query<{ name: string }>(
    `select c.relname as name from pg_class c
      where c.relnamespace = 'sluice'::regnamespace and c.relkind in ('r', 'p', 'm') order by 1`,
  )
  const found: string[] = []
  for (const { name } of tables) {
    const { rows } = await pool.query(
      `select from sluice.${name} t, unnest($1::text[]) as x (text) where strpos(t::text, x.text) > 0 limit 1`,
      [texts],
    )
    if (rows.length > 0) found.push(name)
  }
  return found
}
