/** The options of a watch: streams of rows, conditions, previous values, bulk loads, and what each refuses. */
import t, { type Test } from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { createDatabase } from '../../harness/database.js'
import { connect } from '../../harness/records.js'

const TASKS = 'create table public.tasks (id int primary key, owner text, tenant text, state text, n int)'

async function watched(test: Test, options: string, table = TASKS): Promise<Database> {
  const { pool } = await createDatabase(test)
  await pool.query(table)
  await pool.query(`select sluice.watch('public.tasks', 'task', ${options})`)
  return pool
}

/** `workspace/stream type data` of all events, stream by stream. */
async function published(pool: Database): Promise<string[]> {
  const { rows } = await pool.query<{ line: string }>(
    `select format('%s/%s %s %s', s.workspace, s.name, e.type, e.data) as line
       from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.workspace <> '$system' order by s.workspace, s.name, e."position"`,
  )
  return rows.map(({ line }) => line)
}

/** Each option is tried by statement and by row: the table takes the second way if `always` is set. */
const WAYS = { 'by statement': '', 'by row': ', always => true' } as const

for (const [way, always] of Object.entries(WAYS)) {
  t.test(`a column names the stream of each row, ${way}`, async t => {
    const pool = await watched(t, `workspace => 'w', stream_column => 'owner', columns => '{id}'${always}`)

    await pool.query(`insert into public.tasks (id, owner) values (1, 'ann'), (2, 'bob'), (3, null)`)
    await pool.query(`update public.tasks set owner = 'bob' where id = 1`)
    await pool.query('truncate public.tasks')

    t.strictSame(await published(pool), [
      'w/ann task.created {"id":1}',
      'w/ann task.deleted {"id":1}',
      'w/bob task.created {"id":2}',
      'w/bob task.created {"id":1}',
      'w/bob task.truncated {}',
    ])
    const { rows } = await pool.query('select fires_by, stream_column, columns::text from sluice.watches')
    t.strictSame(rows, [{ fires_by: way.slice(3), stream_column: 'owner', columns: '{id}' }])
  })

  t.test(`previous values are members of updates, ${way}`, async t => {
    const pool = await watched(t, `workspace => 'w', old => 'changed', columns => '{id,n,state}'${always}`)
    const all = always.replace('true', 'false')

    await pool.query(`insert into public.tasks values (1, 'ann', 'w', 'open', 1)`)
    await pool.query(`update public.tasks set n = 2, owner = 'bob'`)
    await pool.query(`update public.tasks set owner = 'cy'`)
    await pool.query(`update public.tasks set n = null`)
    await pool.query(
      `select sluice.watch('public.tasks', 'task', 'w', columns => '{id,n}', old => 'all'${all})`,
    )
    await pool.query(`update public.tasks set n = 3`)
    await pool.query('delete from public.tasks')

    t.strictSame(await published(pool), [
      'w/feed task.created {"id":1,"n":1,"state":"open"}',
      'w/feed task.updated {"id":1,"n":2,"state":"open","old":{"n":1}}',
      'w/feed task.updated {"id":1,"n":null,"state":"open","old":{"n":2}}',
      'w/feed task.updated {"id":1,"n":3,"old":{"id":1,"n":null}}',
      'w/feed task.deleted {"id":1,"n":3}',
    ])
  })

  t.test(`previous values that do not fit beside the row are null, ${way}`, async t => {
    const pool = await watched(t, `workspace => 'w', old => 'all', columns => '{id,state}'${always}`)
    await pool.query(`insert into public.tasks (id, state) values (1, repeat('x', 200000))`)

    await pool.query(`update public.tasks set state = repeat('y', 200000)`)

    t.match((await published(pool))[1], /^w\/feed task\.updated \{"id":1,"state":"y+","old":null\}$/)
    await t.rejects(pool.query(`update public.tasks set state = repeat('z', 300000)`), {
      code: 'SL002',
      detail: /The row has id = 1\./,
    })
  })

  t.test(`a workspace or stream that is no name never fails a write, ${way}`, async t => {
    const pool = await watched(
      t,
      `workspace_column => 'tenant', stream_column => 'owner', columns => '{id}'${always}`,
    )
    const client = await connect(t, pool)
    const warnings: string[] = []
    client.on('notice', ({ message }) => warnings.push(`${message}`))

    await client.query(`insert into public.tasks (id, tenant, owner) values
      (1, 'w', 'ann'), (2, 'no good', 'ann'), (3, 'w', 'no good'), (4, 'w', 'job:x'), (5, '$system', 'ann')`)

    t.strictSame(await published(pool), ['w/ann task.created {"id":1}'])
    const faults = [/'(\$system|no good)' is not a workspace/, /'(job:x|no good)' is not a stream/]
    t.strictSame(
      faults.map(fault => warnings.filter(warning => fault.test(warning)).length),
      [1, 1],
    )
    t.strictSame((await pool.query('select unpublished_rows::int as n from sluice.watches')).rows, [{ n: 4 }])
    t.equal((await pool.query('select from public.tasks')).rowCount, 5)
  })

  t.test(`a stream of a row that is closed or has no room fails no write, ${way}`, async t => {
    const pool = await watched(t, `workspace => 'w', stream_column => 'owner', columns => '{id}'${always}`)
    await pool.query(`insert into public.tasks (id, owner) values (1, 'ann')`)
    await pool.query(`select sluice.close_stream(id) from sluice.streams where name = 'ann'`)
    await pool.query(`update sluice.limits set most = 1 where name = 'streams'`)

    await pool.query(`insert into public.tasks (id, owner) values (2, 'ann'), (3, 'bob')`)

    t.strictSame(await published(pool), ['w/ann task.created {"id":1}'])
    t.strictSame((await pool.query('select unpublished_rows::int as n from sluice.watches')).rows, [{ n: 2 }])
  })

  t.test(`a bulk load publishes one marker for each stream, ${way}`, async t => {
    const pool = await watched(t, `workspace => 'w', stream_column => 'owner'${always}`)
    const client = await connect(t, pool)

    await client.query(`set sluice.watch = 'off'`)
    await client.query('begin')
    await client.query(`insert into public.tasks (id, owner) select n, 'ann' from generate_series(1, 50) n`)
    await client.query(`update public.tasks set owner = 'bob' where id > 40`)
    await client.query('update public.tasks set n = n')
    await client.query('commit')
    await client.query('delete from public.tasks where id > 1000')
    await client.query('update public.tasks set n = n')
    await client.query('reset sluice.watch')
    await client.query('delete from public.tasks where id = 1')

    t.strictSame(
      (await published(pool)).map(line => line.replace(/ \{.+\}$/, '')),
      ['w/ann task.bulk_changed {}', 'w/ann task.deleted', 'w/bob task.bulk_changed {}'],
    )
  })
}

t.test('an expression names the stream of each row', async t => {
  const pool = await watched(t, `workspace => 'w', stream => $$'user/' || new.owner$$, columns => '{id}'`)

  await pool.query(`insert into public.tasks (id, owner) values (1, 'ann'), (2, null), (3, 'no good')`)
  await pool.query(`update public.tasks set owner = 'bob' where id = 1`)
  await pool.query('truncate public.tasks')

  t.strictSame(await published(pool), [
    'w/user/ann task.created {"id":1}',
    'w/user/ann task.deleted {"id":1}',
    'w/user/bob task.created {"id":1}',
    'w/user/bob task.truncated {}',
  ])
})

t.test('a change for which the condition is not true emits no event', async t => {
  const pool = await watched(
    t,
    `workspace => 'w', columns => '{id,state}', condition => $$new.state = 'open' or old.state = 'open'$$`,
  )

  await pool.query(`insert into public.tasks (id, state) values (1, 'draft'), (2, 'open'), (3, null)`)
  await pool.query(`update public.tasks set state = 'open' where id = 1`)
  await pool.query(`update public.tasks set state = 'done' where id = 1`)
  await pool.query(`update public.tasks set state = 'gone' where id = 1`)
  await pool.query('delete from public.tasks')

  t.strictSame(await published(pool), [
    'w/feed task.created {"id":2,"state":"open"}',
    'w/feed task.updated {"id":1,"state":"open"}',
    'w/feed task.updated {"id":1,"state":"done"}',
    'w/feed task.deleted {"id":2,"state":"open"}',
  ])
})

t.test('changes under session_replication_role are published if they shall always be', async t => {
  const pool = await watched(t, `workspace => 'w', columns => '{id}', always => true`)
  const client = await connect(t, pool)

  await client.query('set session_replication_role = replica')
  await client.query('insert into public.tasks (id) values (1)')
  await client.query('truncate public.tasks')
  await client.query(`select sluice.watch('public.tasks', 'task', 'w', columns => '{id}')`)
  await client.query('insert into public.tasks (id) values (2)')

  t.strictSame(await published(pool), ['w/feed task.created {"id":1}', 'w/feed task.truncated {}'])
})

t.test('the six arguments of before can be passed by position and by name', async t => {
  const { pool } = await createDatabase(t)
  await pool.query(TASKS)

  await pool.query(`select sluice.watch('public.tasks', 'task', 'w', null, 'sales', '{id}')`)
  await pool.query(`insert into public.tasks (id) values (1)`)
  await pool.query(`select sluice.watch(target => 'public.tasks', name => 'task', workspace => null,
    workspace_column => 'tenant', stream => 'sales', columns => '{id}')`)
  await pool.query(`insert into public.tasks (id, tenant) values (2, 'x')`)

  t.strictSame(await published(pool), ['w/sales task.created {"id":1}', 'x/sales task.created {"id":2}'])
})

t.test('bad options are refused with the remedy', async t => {
  const { pool } = await createDatabase(t)
  await pool.query(`${TASKS}; insert into public.tasks values (1, 'no good', 'no good', 'open', 1);
    create table public.other (id int, old text)`)
  const refused: string[] = []

  const calls: readonly (readonly [string, RegExp])[] = [
    [
      `workspace_column => 'tenant'`,
      /the column tenant of public\.tasks holds 'no good', which is not a workspace/,
    ],
    [`workspace => 'w', stream_column => 'owner'`, /names the stream 'no good'/],
    [`workspace => 'w', stream => $$'user/' || new.owner$$`, /names the stream 'user\/no good'/],
    [`workspace => 'w', stream_column => 'nope'`, /has no column nope/],
    [`workspace => 'w', stream => 'x', stream_column => 'state'`, /either stream or stream_column/],
    [`workspace => 'w', stream => 'job:x'`, /the stream 'job:x' belongs to a job/],
    [
      `workspace => 'w', stream => 'new.owner'`,
      /'new\.owner' is the name of a stream, and looks like a column/,
    ],
    [`workspace => 'w', stream => 'new.nope || ''x'''`, /column new\.nope does not exist/],
    [`workspace => 'w', stream => ''`, /'' is not a stream/],
    [`workspace => 'w', old => 'some'`, /old is 'some'/],
    [`workspace => 'w', old => null`, /old is null/],
    [`workspace => 'w', always => null`, /always is null/],
    [`workspace => 'w', condition => 'new.id'`, /must be type boolean/],
    [`workspace => 'w', condition => 'new.nope'`, /column new\.nope does not exist/],
    [`workspace => 'w', condition => ''`, /is not a condition/],
    [`workspace => 'w', condition => 'id > 0'`, /is ambiguous/],
    [`workspace => 'w', condition => 'exists (select 1)'`, /subquery/],
  ]
  for (const [options, message] of calls) {
    await pool.query(`select sluice.watch('public.tasks', ${options})`).then(
      () => refused.push(`accepted: ${options}`),
      (error: { code?: string; message: string; hint?: string }) => {
        if (error.code !== 'SL003' || !message.test(error.message) || !error.hint) {
          refused.push(`${options}: ${error.code} ${error.message}`)
        }
      },
    )
  }

  t.strictSame(refused, [])
  await t.rejects(pool.query(`select sluice.watch('public.other', workspace => 'w', old => 'all')`), {
    code: 'SL003',
    message: /a column "old"/,
  })
  t.equal((await pool.query('select from sluice.watches')).rowCount, 0)
})
