/** A backfill reads rows in the order of their key, whatever the type of the key. */
import t from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { createDatabase } from '../../harness/database.js'
import { logged } from '../../harness/records.js'

t.test('keys of a type from an extension are read in the order of that type, each row once', async t => {
  const { pool } = await createDatabase(t)
  const { rowCount } = await pool.query(`select from pg_available_extensions where name = 'citext'`)
  if (rowCount === 0) return
  await pool.query(`
    create schema others; create extension citext schema others;
    create domain public.mail as others.citext;
    create table public.people (email others.citext primary key);
    create table public.members (team int, email public.mail, part text, primary key (team, email, part));
    insert into public.people select * from unnest('{a,B,c,D,e,F,_,Z}'::text[]);
    insert into public.members select t, p.email, part from public.people p, generate_series(1, 3) t, unnest('{x,Y}'::text[]) part;
    select sluice.watch('public.people', 'person', workspace => 'w', stream => 'people');
    select sluice.watch('public.members', 'member', workspace => 'w', stream => 'members')`)

  for (const [table, rows] of [
    ['people', 8],
    ['members', 48],
  ] as const) {
    await backfillAll(pool, table)
    const published = (await logged(pool, table)).map(({ data }) => data)
    t.equal(published.length, rows)
    t.equal(new Set(published).size, rows)
  }
})

async function backfillAll(pool: Database, table: string): Promise<void> {
  let done = false
  while (!done) {
    const { rows } = await pool.query<{ done: boolean }>(
      `select done from sluice.backfill('public.${table}', batch => 3)`,
    )
    done = rows[0]?.done ?? true
  }
}
