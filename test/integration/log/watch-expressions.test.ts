/** The texts of a watch are expressions of a row: they end no statement, and they never run with the rights of the log. */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { connect } from '../../harness/records.js'

const ESCAPES = [
  `true) execute function sluice.publish_row(); drop table public.doors; create trigger x after insert on public.doors for each row when (true`,
  `true) or (true`,
  `true), (select 1`,
  `true) from public.doors; drop table public.doors; select (true`,
  `true; drop table public.doors`,
  `true) from public.doors new, public.doors old union all select (true`,
  `true /*`,
  `$a$`,
  `(select count(*) from sluice.events) > 0`,
]

t.test('a text that is more or less than one expression is refused, and nothing of it runs', async t => {
  const { pool } = await createDatabase(t)
  await pool.query('create table public.doors (id int, name text)')
  const accepted: string[] = []

  for (const text of ESCAPES) {
    const calls = [
      [`select sluice.watch('public.doors', workspace => 'w', condition => $1)`, text],
      [`select sluice.watch('public.doors', workspace => 'w', stream => $1)`, text],
    ] as const
    for (const [call, value] of calls) {
      await pool.query(call, [value]).then(
        () => accepted.push(`${call} ${value}`),
        error => {
          if (error.code !== 'SL003') accepted.push(`${error.code} ${error.message}`)
        },
      )
    }
  }

  t.strictSame(accepted, [])
  t.equal((await pool.query(`select from pg_trigger where tgrelid = 'public.doors'::regclass`)).rowCount, 0)
})

t.test('expressions run with the rights of the writer, never with those of the log', async t => {
  const { pool } = await createDatabase(t)
  const role = `sluice_test_${randomBytes(6).toString('hex')}`
  await pool.query(
    `create role ${role}; grant ${role} to current_user; create schema theirs authorization ${role}`,
  )
  t.teardown(() => pool.query(`drop owned by ${role} cascade; drop role ${role}`))
  const { rows } = await pool.query(`select obj_description('sluice.watch'::regproc) as text`)
  await pool.query((/with: (grant .+;)$/.exec(rows[0].text)?.[1] ?? '').replaceAll(' to app', ` to ${role}`))
  const owner = await connect(t, pool)

  await owner.query(`
    set role ${role};
    create table theirs.ran_as (name text);
    create function theirs.spring(id int) returns text language plpgsql as
      $$ begin insert into theirs.ran_as values (current_user); return 'user/' || id; end $$;
    create table theirs.doors (id int);
    select sluice.watch('theirs.doors', workspace => 'w', stream => 'theirs.spring(new.id)',
      condition => 'theirs.spring(new.id) is not null');
    insert into theirs.doors values (7)`)

  const ran = await pool.query('select name, count(*)::int as times from theirs.ran_as group by name')
  t.strictSame(ran.rows, [{ name: role, times: 2 }])
  await t.rejects(owner.query('select * from sluice.pending'), { code: '42501' })
  const stored = await pool.query(`select name from sluice.streams where workspace = 'w'`)
  t.strictSame(stored.rows, [{ name: 'user/7' }])
})

t.test(
  'a trigger with arguments of its owner can neither use reserved types nor a workspace of the gateway',
  async t => {
    const { pool } = await createDatabase(t)
    await pool.query('create table public.doors (id int)')
    const with_ = (options: string) => `
    create or replace trigger sly after insert on public.doors referencing new table as new_rows
      for each statement execute function sluice.publish_changes('${options}')`
    const base = '"stream": "feed", "old": "none"'

    for (const options of [
      `{"name": "job", "workspace": "w", ${base}}`,
      `{"name": "door", "workspace": "$system", ${base}}`,
      `{"name": "door", "workspace": "w", "stream": "job:x", "old": "none"}`,
    ]) {
      await pool.query(with_(options))
      await t.rejects(pool.query('insert into public.doors values (1)'), { code: 'SL002' }, options)
      await t.rejects(pool.query(`set sluice.watch = 'off'; insert into public.doors values (1)`), {
        code: 'SL002',
      })
      await pool.query('reset sluice.watch')
    }
  },
)
