/** I3: the positions of a stream are dense and in commit order, even with concurrent writers. */
import type pg from 'pg'
import t from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { EVENT_TYPE_PATTERN, STREAM_NAME_PATTERN, WAYS, WORKSPACE_PATTERN } from '../../../src/log/event.js'
import { createDatabase } from '../../harness/database.js'
import { backendOf, connect, isDense, logged, typesOf, untilBlocked } from '../../harness/records.js'

const append = (database: Database | pg.PoolClient, type: string, stream = 'feed', data = '{}') =>
  database.query(`select * from sluice.append('w', $2, $1, $3::json)`, [type, stream, data])

t.test('eight concurrent writers, some of which roll back, leave no gap and no duplicate', async t => {
  const { pool } = await createDatabase(t)

  await Promise.all(
    Array.from({ length: 8 }, async (_, writer) => {
      const client = await connect(t, pool)
      for (let turn = 0; turn < 25; turn += 1) {
        await client.query('begin')
        await append(client, 'a', 'feed', JSON.stringify({ writer, turn }))
        await client.query(turn % 3 === 0 ? 'rollback' : 'commit')
      }
    }),
  )

  const rows = await logged(pool)
  t.equal(rows.length, 8 * 16)
  t.ok(isDense(rows))
  const times = rows.map(row => row.at.getTime())
  t.strictSame(times, times.toSorted(), 'time never runs backwards')
  const ofFirst = rows.map(row => JSON.parse(row.data)).filter(data => data.writer === 0)
  t.strictSame(
    ofFirst.map(data => data.turn),
    ofFirst.map(data => data.turn).toSorted((a, b) => a - b),
    'a writer finds its own events in the order in which it committed them',
  )
})

t.test('a reader never sees a position before the one below it', async t => {
  const { pool } = await createDatabase(t)
  let writing = true
  const writers = Promise.all(
    Array.from({ length: 6 }, async () => {
      for (let turn = 0; turn < 40; turn += 1) await append(pool, 'a')
    }),
  ).finally(() => {
    writing = false
  })

  let seen = 0
  while (writing) {
    const rows = await logged(pool)
    t.ok(isDense(rows) && rows.length >= seen, `${rows.length} rows`)
    seen = rows.length
  }
  await writers

  t.equal((await logged(pool)).length, 240)
})

t.test(
  'a writer waits for the one before it, and gets the next position, or the same one after a rollback',
  async t => {
    const { pool } = await createDatabase(t)
    const first = await connect(t, pool)
    const second = await connect(t, pool)
    const pid = await backendOf(second)
    await append(pool, 'zero')

    for (const end of ['commit', 'rollback']) {
      await first.query('begin')
      await append(first, `before.${end}`)
      const waiting = append(second, `after.${end}`)
      await untilBlocked(pool, pid)
      await first.query(end)
      await waiting
    }

    t.strictSame(await typesOf(pool), ['zero', 'before.commit', 'after.commit', 'after.rollback'])
    t.ok(isDense(await logged(pool)))
  },
)

t.test('two transactions that create the same stream at once both write to it', async t => {
  const { pool } = await createDatabase(t)
  const first = await connect(t, pool)
  const second = await connect(t, pool)
  const pid = await backendOf(second)
  await first.query('begin')
  await append(first, 'first', 'new')

  const waiting = append(second, 'second', 'new')
  await untilBlocked(pool, pid)
  await first.query('commit')
  await waiting

  t.strictSame(await typesOf(pool, 'new'), ['first', 'second'])
})

t.test(
  'under REPEATABLE READ a writer whose snapshot is older than the tail gets an error that asks it to retry',
  async t => {
    const { pool } = await createDatabase(t)
    const late = await connect(t, pool)
    await append(pool, 'one')
    await late.query('begin isolation level repeatable read')
    await late.query('select count(*) from sluice.events')
    await append(pool, 'two')

    await t.rejects(append(late, 'three'), {
      code: '40001',
      message: /the stream has grown since this transaction took its snapshot/,
      hint: /Retry the transaction/,
    })

    await late.query('rollback')
    await late.query('begin isolation level repeatable read')
    await append(late, 'three')
    await late.query('commit')
    t.strictSame(await typesOf(pool), ['one', 'two', 'three'])
  },
)

t.test('a closed stream refuses appends, also those that waited while it was closed', async t => {
  const { pool } = await createDatabase(t)
  const closer = await connect(t, pool)
  const writer = await connect(t, pool)
  const pid = await backendOf(writer)
  const { rows } = await append(pool, 'last', 'job')
  await closer.query('begin')
  await closer.query('select sluice.close_stream($1)', [rows[0].stream_id])

  const refused = append(writer, 'late', 'job').then(
    () => undefined,
    error => error,
  )
  await untilBlocked(pool, pid)
  await closer.query('commit')

  t.match(await refused, { code: 'SL001', message: /stream 'job' of workspace 'w' is closed/, hint: /\w/ })
  t.strictSame(await typesOf(pool, 'job'), ['last'])
  const again = await pool.query('select sluice.close_stream($1) as closed', [rows[0].stream_id])
  t.equal(again.rows[0].closed, false, 'it is closed once')
})

t.test('the way of publishing is one that gateways know', async t => {
  const { pool } = await createDatabase(t)
  const call = (way: string | null) =>
    pool.query(`select sluice.append('w', 'feed', 'a', '{}', way => $1)`, [way])

  for (const way of [...WAYS, null]) await call(way)

  const unknown = await call('x'.repeat(1_000)).catch((error: unknown) => error)
  t.match(unknown, { code: 'SL002', message: /^invalid event: 'x{200}' is not a way/, hint: /\w/ })
  const stored = await pool.query('select way from sluice.events order by "position"')
  t.strictSame(
    stored.rows.map(({ way }) => way),
    [...WAYS, null],
  )
})

t.test('bad events are refused with the fault and the remedy', async t => {
  const { pool } = await createDatabase(t)
  const call = (...values: unknown[]) =>
    pool.query('select * from sluice.append($1, $2, $3, $4::json)', values)
  const deep = `{"a":${'['.repeat(64)}${']'.repeat(64)}}`

  for (const [values, message] of [
    [['no good', 'feed', 'a', '{}'], /'no good' is not a workspace/],
    [['', 'feed', 'a', '{}'], /'' is not a workspace/],
    [[null, 'feed', 'a', '{}'], /null is not a workspace/],
    [['w\n', 'feed', 'a', '{}'], /is not a workspace/],
    [['w'.repeat(129), 'feed', 'a', '{}'], /is not a workspace/],
    [['w', ' ', 'a', '{}'], /' ' is not a stream/],
    [['w', null, 'a', '{}'], /null is not a stream/],
    [['w', 'feed', 'a\nb', '{}'], /is not a type/],
    [['w', 'feed', '1a', '{}'], /is not a type/],
    [['w', 'feed', null, '{}'], /null is not a type/],
    [['w', 'feed', 'a'.repeat(129), '{}'], /is not a type/],
    [['w', 'feed', 'heartbeat', '{}'], /the type 'heartbeat' is reserved/],
    [['w', 'feed', 'a', '[]'], /of type array, not a JSON object/],
    [['w', 'feed', 'a', '"x"'], /of type string, not a JSON object/],
    [['w', 'feed', 'a', null], /null, not a JSON object/],
    [['w', 'feed', 'a', JSON.stringify({ a: 'x'.repeat(262_144) })], /262152 bytes/],
    [['w', 'feed', 'a', deep], /65 levels/],
  ] as const) {
    await t.rejects(call(...values), { code: 'SL002', message, hint: /\w/ }, String(message))
  }
  t.equal((await pool.query('select from sluice.events')).rowCount, 0)
})

t.test('data may be as large and as deep as documented, and brackets in strings do not count', async t => {
  const { pool } = await createDatabase(t)
  const largest = JSON.stringify({ a: 'x'.repeat(262_144 - '{"a":""}'.length) })
  const deepest = `{"a":${'['.repeat(63)}${']'.repeat(63)}}`
  const bracketed = JSON.stringify({ a: '[{"\\'.repeat(1_000) })

  for (const data of [largest, deepest, bracketed]) await append(pool, 'a', 'feed', data)

  t.strictSame(
    (await logged(pool)).map(row => row.data),
    [largest, deepest, bracketed],
  )
})

t.test('SQL has the same rules for names and reserved types as the code', async t => {
  const { pool } = await createDatabase(t)
  const samples = [
    'a A 0 . _ : / @ - $ a. a_ a: a/ a@ a- a* a,b é ☃ a\tb a\nb a\n $system'.split(' '),
    ['', 'a b', 'a'.repeat(128), 'a'.repeat(129), `a\u00e9${'a'.repeat(126)}`],
  ].flat()
  const { rows } = await pool.query(
    `select name, sluice.is_workspace(name) as workspace, sluice.is_stream(name) as stream, sluice.is_type(name) as type
       from unnest($1::text[]) as u (name)`,
    [samples],
  )

  t.equal(rows.length, samples.length)
  for (const { name, ...verdicts } of rows) {
    t.strictSame(
      verdicts,
      {
        workspace: new RegExp(WORKSPACE_PATTERN).test(name),
        stream: new RegExp(STREAM_NAME_PATTERN).test(name),
        type: new RegExp(EVENT_TYPE_PATTERN).test(name),
      },
      JSON.stringify(name),
    )
  }
})

t.test('the system workspace takes appends and nothing else', async t => {
  const { pool } = await createDatabase(t)

  await pool.query(`select sluice.append('$system', 'server', 'server.state', '{"mode":"normal"}')`)
  await t.rejects(pool.query(`select sluice.publish('$system', 'server', 'a', '{}')`), { code: 'SL002' })
  await t.rejects(
    pool.query(
      `select sluice.append_requests('{$system}', '{server}', '{a}', '{null}', '{null}', '{1}', '{a}', '{"{}"}')`,
    ),
    { code: 'SL002' },
  )

  const { rows } = await pool.query('select workspace, kind from sluice.streams')
  t.strictSame(rows, [{ workspace: '$system', kind: 'system' }], 'retention of feeds leaves it alone')
  t.strictSame(await typesOf(pool, 'server', '$system'), ['server.state'])
})

t.test('a plan that was made while the log was small still finds the tail by its index', async t => {
  const { pool } = await createDatabase(t)
  const client = await connect(t, pool)
  await append(client, 'a')
  await client.query('analyze sluice.streams, sluice.events')
  await client.query('begin')
  for (let turn = 0; turn < 10; turn += 1) await append(client, 'a')
  await client.query(`select sluice.append('w', 'feed', 'a', '{}') from generate_series(1, 100)`)

  const { rows } = await client.query(
    `select sum(seq_tup_read)::int as scanned from pg_stat_xact_user_tables where schemaname = 'sluice'`,
  )

  t.equal(rows[0].scanned, 0)
})
