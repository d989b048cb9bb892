/**
 * A watch publishes the same events whichever way it takes: by row, by statement for a single row, and by statement for more
 * rows than one batch holds.
 */
import t from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { createDatabase } from '../../harness/database.js'

/** A statement stores its rows in batches of 256. */
const MANY = 600

const OPTIONS = {
  'all columns': `workspace => 'w'`,
  'some columns': `workspace => 'w', columns => '{note,id}'`,
  'the workspace of each row': `workspace_column => 'tenant'`,
  'the stream of each row': `workspace => 'w', stream_column => 'owner', columns => '{id}'`,
  'an expression': `workspace_column => 'tenant', stream => $$'user/' || new.owner || nullif(new.id % 7, 3)$$`,
  'a condition': `workspace => 'w', condition => $$new.id % 3 = 0 or old.note like 'a%'$$`,
  'a condition, an expression and all previous values': `workspace => 'w', old => 'all', stream => $$new.owner || ''$$, condition => $$new.n is distinct from old.n$$`,
  'changed values': `workspace => 'w', old => 'changed'`,
} as const

/** Rows whose owner or tenant is null or no name publish nothing. */
const STATEMENTS = [
  `insert into %t select n, case n % 5 when 0 then null when 1 then 'no good' else 'o' || n % 3 end,
     case n % 11 when 0 then null when 1 then 'not|one' else 'w' || n % 2 end, 'a' || n, n, '{"z" :"\\u0000\\ud800"}' from %n`,
  `update %t set note = 'b' || id, n = case when id % 2 = 0 then n else -n end where id in (select n from %n)`,
  `update %t set owner = 'o1', tenant = 'w1' where id in (select n from %n)`,
  `update %t set note = note where id in (select n from %n)`,
  `delete from %t where id in (select n from %n)`,
]

const WAYS = {
  'by row': { always: true, sizes: [1, MANY] },
  'by statement': { always: false, sizes: [1, MANY] },
  'by statement, at first row for row': {
    always: false,
    sizes: [...Array.from({ length: 31 }, () => 1), MANY - 30],
  },
} as const

for (const [name, options] of Object.entries(OPTIONS)) {
  t.test(`each way publishes the same: ${name}`, async t => {
    const published: Record<string, string[]> = {}

    for (const [way, { always, sizes }] of Object.entries(WAYS)) {
      const { pool } = await createDatabase(t)
      await pool.query(
        `create table public.tasks (id int, owner text, tenant text, note text, n int, raw json);
         select sluice.watch('public.tasks', 'task', always => ${always}, ${options})`,
      )
      const ways = await pool.query<{ fires_by: string }>('select fires_by from sluice.watches')
      t.equal(ways.rows[0]?.fires_by, always ? 'row' : 'statement')
      let from = 1
      for (const size of sizes) {
        const numbers = `generate_series(${from}, ${from + size - 1}) n`
        for (const statement of STATEMENTS)
          await pool.query(statement.replaceAll('%t', 'public.tasks').replaceAll('%n', numbers))
        from += size
      }
      published[way] = await eventsOf(pool)
    }

    const [byRow = [], byStatement = [], rowForRow = []] = Object.values(published)
    t.ok(byRow.length > MANY)
    // The order of rows within a statement is that of the table's pages, and so is Postgres' affair.
    t.strictSame(byStatement.toSorted(), byRow.toSorted())
    t.strictSame(rowForRow.toSorted(), byRow.toSorted())
  })
}

t.test('rows that were not judged publish nothing', async t => {
  const { pool } = await createDatabase(t)
  await pool.query(
    `create table public.tasks (id int);
     select sluice.watch('public.tasks', workspace => 'w', condition => 'new.id > 0');
     alter table public.tasks disable trigger sluice_watch_1_judge_insert`,
  )

  await pool.query('insert into public.tasks values (1); insert into public.tasks values (2), (3)')

  t.strictSame(await eventsOf(pool), [])
})

/** Events without their place in the stream, stream by stream, in their order. */
async function eventsOf(database: Database): Promise<string[]> {
  const { rows } = await database.query<{ line: string }>(
    `select format('%s/%s %s %s', s.workspace, s.name, e.type, e.data) as line
       from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.workspace <> '$system' order by s.workspace, s.name, e."position"`,
  )
  return rows.map(({ line }) => line)
}
