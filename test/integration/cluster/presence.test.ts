/** Presence over several nodes: who writes, what is an event and what is none, and batches. Principals come from the test. */
import t, { type Test } from 'tap'
import { Cluster } from '../../../src/cluster/cluster.js'
import { Presence } from '../../../src/cluster/presence.js'
import type { Database } from '../../../src/database/pool.js'
import type { StreamId } from '../../../src/log/event.js'
import { createDatabase } from '../../harness/database.js'
import { silent } from '../../harness/hub.js'
import { until } from '../../harness/until.js'

const EVERY_MS = 10
const LONG_MS = 3_600_000

t.test(
  'a principal joins once, however many nodes and connections it has, and leaves with the last one',
  async t => {
    const { pool } = await createDatabase(t)
    const stream = await watched(pool)
    const [one, two] = [node(t, pool, stream, { graceMs: 0 }), node(t, pool, stream, { graceMs: 0 })]
    one.follow('ada')
    await until('ada', async () => (await events(pool)).length === 1)
    two.follow('ada', 'ada', 'bob')
    await until('bob', async () => (await events(pool)).length === 2)
    await until('all are counted', async () => (await counted(pool)) === 4)
    one.follow()
    await until('ada is on one node', async () => (await reported(pool)) === 2)
    two.follow('bob')

    await until('ada has left', async () => (await events(pool)).length === 3)
    // Her event has the count of the last heartbeat.
    two.follow('bob', 'bob')
    await until('two are counted', async () => (await counted(pool)) === 2)
    two.follow('bob', 'eve')
    await until('eve', async () => (await events(pool)).length === 4)

    t.strictSame(named(await events(pool)), ['joined ada', 'joined bob', 'left ada', 'joined eve'])
    t.match(await events(pool), [{ stream: 'presence:rooms/1', way: 'system' }])
    t.equal((await events(pool)).at(-1)?.data.clients, 2)
    t.ok(one.grown() + two.grown() > 0, 'the writer wakes the others')
  },
)

t.test('a principal that comes back in time makes no event, whichever node it comes back to', async t => {
  const { pool } = await createDatabase(t)
  const stream = await watched(pool)
  const [one, two] = [
    node(t, pool, stream, { graceMs: LONG_MS }),
    node(t, pool, stream, { graceMs: LONG_MS }),
  ]
  const missing = async () =>
    (await pool.query('select from sluice.present where missing_since is not null')).rowCount
  one.follow('ada')
  await until('ada', async () => (await events(pool)).length === 1)

  one.follow()
  await until('she is missed', async () => (await missing()) === 1)
  two.follow('ada')
  await until('she is back', async () => (await missing()) === 0)
  two.follow('ada', 'bob')
  await until('bob', async () => (await events(pool)).length === 2)

  t.strictSame(named(await events(pool)), ['joined ada', 'joined bob'])
})

t.test('a principal that follows another stream under the number is not announced', async t => {
  const { pool } = await createDatabase(t)
  const stream = await watched(pool)
  // Its process has a number from before a restore, which gave it to a stream of another workspace.
  const late = node(t, pool, stream, { workspace: 'globex' })
  const here = node(t, pool, stream, { isFirst: true })
  late.follow('eve')
  await until('eve is counted', async () => (await counted(pool)) === 1)
  here.follow('ada')
  await until('ada', async () => (await events(pool)).length > 0)
  late.follow('eve', 'mallory')
  await until('all are counted', async () => (await counted(pool)) === 3)
  here.follow('ada', 'bob')
  await until('bob', async () => named(await events(pool)).includes('joined bob'))

  t.strictSame(named(await events(pool)), ['joined ada', 'joined bob'])
})

t.test('the principals of a node that died leave when its row goes', async t => {
  const { pool } = await createDatabase(t)
  const stream = await watched(pool)
  const here = node(t, pool, stream, { graceMs: 0 })
  here.follow('bob')
  await until('bob', async () => (await events(pool)).length === 1)
  await pool.query(
    `with dead as (
       insert into sluice.nodes select gen_random_uuid(), 'dead', '', 'normal', now(), now() - interval '7 s', 0, 1, '{}' returning id)
     insert into sluice.node_principals select $1, principal, id from dead, unnest('{ada,bob}'::text[]) principal`,
    [stream],
  )

  await until('ada', async () => (await events(pool)).length === 2)
  await until('she has left', async () => (await events(pool)).length === 3)

  t.strictSame(named(await events(pool)), ['joined bob', 'joined ada', 'left ada'])
})

t.test(
  'many principals come in batches, each once, while several nodes take themselves for the first',
  async t => {
    const { pool } = await createDatabase(t)
    const stream = await watched(pool)
    const many = Array.from({ length: 600 }, (_, n) => `p${n}`)
    const nodes = [1, 2, 3].map(() => node(t, pool, stream, { graceMs: 0, isFirst: true }))
    for (const each of nodes) each.follow(...many)

    await until('all', async () => (await events(pool)).length === many.length)
    await until('all nodes have reported', async () => (await reported(pool)) === 3 * many.length)
    for (const each of nodes) each.follow()
    await until('none', async () => (await events(pool)).length === 2 * many.length)

    const found = named(await events(pool))
    t.strictSame([...found].sort(), many.flatMap(name => [`joined ${name}`, `left ${name}`]).sort())
    const batches = await pool.query<{ size: number }>(
      `select count(*)::integer as size from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.name = 'presence:rooms/1' group by e.xmin::text`,
    )
    t.ok(batches.rows.every(({ size }) => size <= 250))
    t.ok(batches.rows.length < 20, `${batches.rows.length} transactions`)
  },
)

t.test('all leave when the option is removed, or the stream is deleted', async t => {
  const { pool } = await createDatabase(t)
  const stream = await watched(pool)
  const here = node(t, pool, stream, { graceMs: LONG_MS })
  here.follow('ada')
  await until('ada', async () => (await events(pool)).length === 1)

  await configure(pool, 'rooms/1', { presence: false })
  await until('she has left', async () => (await events(pool)).length === 2)
  await until('nothing is kept', async () => (await pool.query('select from sluice.presence')).rowCount === 0)
  await configure(pool, 'rooms/1', { presence: true })
  await until('she is there', async () => (await events(pool)).length === 3)
  await pool.query(`select sluice.delete_stream('acme', 'rooms/1')`)
  await until('she has left again', async () => (await events(pool)).length === 4)

  t.strictSame(named(await events(pool)), ['joined ada', 'left ada', 'joined ada', 'left ada'])
  await configure(pool, 'rooms/2', { presence: true })
  await pool.query(`select sluice.delete_stream('acme', 'presence:rooms/2')`)
  t.equal(
    (await pool.query('select from sluice.presence')).rowCount,
    0,
    'without its stream there is no presence',
  )
})

t.test(
  'a process that publishes no presence, such as an engine, does not take the place of the first node',
  async t => {
    const { pool } = await createDatabase(t)
    const stream = await watched(pool)
    const other = new Cluster({
      database: pool,
      logger: silent,
      id: '00000000-0000-4000-8000-000000000000',
      everyMs: EVERY_MS,
      figures: () => ({
        mode: 'normal',
        lagMs: 0,
        clients: { total: 0, byKind: {} },
        streams: [],
        bus: { status: 'listening' },
      }),
    })
    t.teardown(() => other.close())
    other.start()
    await until('it is a node', async () => (await pool.query('select from sluice.nodes')).rowCount === 1)

    node(t, pool, stream, {}).follow('ada')

    await until('ada', async () => (await events(pool)).length === 1)
    t.notOk(other.isFirst)
  },
)

t.test('a node forgets its principals when no stream has presence any more', async t => {
  const { pool } = await createDatabase(t)
  const stream = await watched(pool)
  const here = node(t, pool, stream, {})
  here.follow('ada')
  await until('ada', async () => (await events(pool)).length === 1)

  await configure(pool, 'rooms/1', { presence: null })
  await until('nothing is kept', async () => (await pool.query('select from sluice.presence')).rowCount === 0)

  await until('none is reported', async () => (await reported(pool)) === 0)
})

t.test('a stream that takes the name of a deleted one has presence when all have left that one', async t => {
  const { pool } = await createDatabase(t)
  const old = await watched(pool)
  await pool.query(`insert into sluice.present values ($1, 'ada')`, [old])
  await pool.query(`select sluice.delete_stream('acme', 'rooms/1')`)
  const successor = await watched(pool)
  node(t, pool, successor, {}).follow('bob')

  await until('bob', async () => (await events(pool)).length === 2)

  t.strictSame(named(await events(pool)), ['left ada', 'joined bob'])
})

t.test('publishing presence does not wait for a deletion of its stream, which waits for it', async t => {
  const { pool } = await createDatabase(t)
  const stream = await watched(pool)
  await pool.query(`insert into sluice.present values ($1, 'ada')`, [stream])
  await configure(pool, 'rooms/1', { presence: null })
  const writer = await pool.connect()
  t.teardown(() => writer.release())
  await writer.query('begin')
  await writer.query('select sluice.note_presence($1, 0, 250)', [stream])
  const deleted = pool.query(`select sluice.delete_stream('acme', 'presence:rooms/1')`)
  await until('it waits', async () => {
    const { rowCount } = await pool.query('select from pg_locks where not granted')
    return rowCount !== 0
  })

  await writer.query('commit')
  await deleted

  t.equal((await pool.query(`select from sluice.streams where name like 'presence:%'`)).rowCount, 0)
})

t.test('the option is for streams of their own, and its events are of the gateway alone', async t => {
  const { pool } = await createDatabase(t)
  await pool.query(`insert into sluice.streams (workspace, name, kind) values ('acme', 'job:7', 'job')`)
  const refused = async (sql: string) =>
    await pool.query(sql).then(
      () => 'done',
      error => error.code,
    )
  const option = (name: string, value = 'true') =>
    refused(`select sluice.configure_stream('acme', '${name}', '{"presence": ${value}}')`)

  t.strictSame(
    [
      await option('presence:rooms/1'),
      await option('x'.repeat(120)),
      await option('job:7'),
      await option('rooms/1', '1'),
      await refused(`select sluice.configure_workspace('acme', '{"presence": true}')`),
      await refused(`select sluice.publish('acme', 'presence:rooms/1', 'presence.joined', '{}')`),
      await option('x'.repeat(119)),
      await option('feed'),
    ],
    ['SL002', 'SL002', 'SL006', 'SL002', 'SL002', 'SL002', 'done', 'done'],
  )
  await configure(pool, 'presence:mine', { max_events: 5 })
  await configure(pool, 'mine', { presence: true })
  const { rows } = await pool.query<{ options: string }>(
    `select options::text from sluice.streams where name like 'presence:%' order by name`,
  )
  t.strictSame(
    rows.map(({ options }) => JSON.parse(options)),
    [{ compact_key: 'data.principal' }, { max_events: 5 }, { compact_key: 'data.principal' }],
    'options that an admin has set stay',
  )
})

interface Told {
  readonly stream: string
  readonly type: string
  readonly way: string
  readonly data: { readonly principal: string; readonly clients: number }
}

function node(
  t: Test,
  pool: Database,
  stream: StreamId,
  { graceMs = 0, isFirst = undefined as true | undefined, workspace = 'acme' },
) {
  let principals: readonly string[] = []
  let grown = 0
  const cluster = new Cluster({
    database: pool,
    logger: silent,
    everyMs: EVERY_MS,
    mayBeFirst: true,
    figures: () => ({
      mode: 'normal',
      lagMs: 0,
      clients: { total: principals.length, byKind: { feed: principals.length } },
      streams: [{ id: stream, workspace: 'acme', clients: principals.length }].filter(
        ({ clients }) => clients > 0,
      ),
      bus: { status: 'listening' },
    }),
  })
  const presence = new Presence({
    database: pool,
    logger: silent,
    cluster: {
      get id() {
        return cluster.id
      },
      get joins() {
        return cluster.joins
      },
      get presenceStreams() {
        return cluster.presenceStreams
      },
      get isFirst() {
        return isFirst ?? cluster.isFirst
      },
    },
    principals: streams =>
      streams.has(stream)
        ? [...new Set(principals)].map(principal => ({ stream, workspace, name: 'rooms/1', principal }))
        : [],
    onCommitted: () => {
      grown += 1
    },
    paused: () => false,
    everyMs: EVERY_MS,
    graceMs,
  })
  t.teardown(async () => {
    await presence.close()
    await cluster.close()
  })
  cluster.start()
  presence.start()
  return {
    follow(...names: string[]) {
      principals = names
    },
    grown: () => grown,
  }
}

async function watched(pool: Database): Promise<StreamId> {
  await configure(pool, 'rooms/1', { presence: true })
  const { rows } = await pool.query<{ id: StreamId }>(`select id from sluice.streams where name = 'rooms/1'`)
  const [stream] = rows
  if (!stream) throw new Error('There is no stream.')
  return stream.id
}

async function configure(pool: Database, stream: string, options: object): Promise<void> {
  await pool.query('select sluice.configure_stream($1, $2, $3)', ['acme', stream, JSON.stringify(options)])
}

async function events(pool: Database): Promise<Told[]> {
  const { rows } = await pool.query<Omit<Told, 'data'> & { data: string }>(
    `select s.name as stream, e.type, e.way, e.data::text as data from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.name like 'presence:%' order by s.name, e."position"`,
  )
  return rows.map(row => ({ ...row, data: JSON.parse(row.data) }))
}

function named(found: readonly Told[]): string[] {
  return found.map(({ type, data }) => `${type.slice('presence.'.length)} ${data.principal}`)
}

async function counted(pool: Database): Promise<number> {
  const { rows } = await pool.query<{ sum: number }>(
    'select sum(clients)::integer as sum from sluice.node_streams',
  )
  return rows[0]?.sum ?? 0
}

async function reported(pool: Database): Promise<number> {
  return (await pool.query('select from sluice.node_principals')).rowCount ?? 0
}
