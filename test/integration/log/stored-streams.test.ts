/** Streams are bounded in number, and go when they are empty and unused; nothing is lost or confused by either. */
import t from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { createJob } from '../../../src/jobs/rows.js'
import type { StreamId } from '../../../src/log/event.js'
import { ensureStream, findStream } from '../../../src/log/log.js'
import { eventSweep } from '../../../src/log/retention.js'
import { createDatabase } from '../../harness/database.js'
import { openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { connect, streamRowsRead } from '../../harness/records.js'
import { until } from '../../harness/until.js'

const MOST = 3

t.test(
  'a workspace has a limit of streams, beyond which only the publish to a new one is refused',
  async t => {
    const gateway = await startGateway(t, { env: { MAX_STORED_STREAMS_PER_WORKSPACE: `${MOST}` } })
    const { database } = gateway.app
    await until('the limit is known to SQL', async () => (await limitIn(database)) === MOST)

    const first = await Promise.all(
      Array.from({ length: 20 }, (_, n) => publishTo(gateway, 'acme', `s${n % 5}`)),
    )
    const stored = await namesIn(database, 'acme')
    const [existing = ''] = stored

    // Those of one process are exact: they are committed one after the other.
    t.equal(stored.length, MOST)
    t.ok(first.every(({ status, code }) => status === 201 || code === 'too-many-stored-streams'))
    t.match(await publishTo(gateway, 'acme', 'other'), { status: 429, code: 'too-many-stored-streams' })
    const mixed = await Promise.all([
      publishTo(gateway, 'acme', 'other'),
      publishTo(gateway, 'acme', existing),
      publishTo(gateway, 'acme', 'feed'),
      publishTo(gateway, 'globex', 'other'),
    ])
    t.strictSame(
      mixed.map(({ status }) => status),
      [429, 201, 201, 201],
    )
    const refused = { code: 'SL004', hint: /MAX_STORED_STREAMS_PER_WORKSPACE/ }
    await t.rejects(database.query(`select sluice.publish('acme', 'other', 'a', '{}')`), refused)
    await t.rejects(database.query(`select sluice.append('acme', 'other', 'a', '{}')`), refused)
    await t.rejects(ensureStream(database, 'acme', 'other'), refused)
    await newJob(database)
    t.notOk((await namesIn(database, 'acme')).includes('other'))
  },
)

t.test('streams are counted exactly, and concurrent creators do not wait for each other', async t => {
  const { pool } = await createDatabase(t)
  await pool.query(`update sluice.limits set most = 30`)
  const [one, two, three] = [await connect(t, pool), await connect(t, pool), await connect(t, pool)]
  for (const client of [one, two, three]) await client.query('begin')

  for (let n = 0; n < 5; n += 1) {
    for (const [at, client] of [one, two, three].entries())
      await client.query(`select sluice.append('w', $1, 'a', '{}')`, [`s${at}-${n}`])
  }
  await one.query('commit')
  await two.query('rollback')
  await three.query('commit')
  for (let n = 0; n < 20; n += 1) await pool.query(`select sluice.append('w', $1, 'a', '{}')`, [`t${n}`])

  await t.rejects(pool.query(`select sluice.append('w', 'more', 'a', '{}')`), { code: 'SL004' })
  t.equal((await namesIn(pool, 'w')).length, 30)
  const { rows } = await pool.query<{ rows: number; sum: number }>(
    'select count(*) as rows, sum(streams)::bigint as sum from sluice.stream_counts',
  )
  t.match(rows, [{ rows: 2, sum: 30 }], 'a row for each that created at the same time')
})

t.test('only a stream that is open-ended, empty and unused is removed', async t => {
  const { pool } = await createDatabase(t)
  for (const name of ['unused', 'used', 'full', 'closed']) await ensureStream(pool, 'w', name)
  await ensureStream(pool, '$system', 'access', 'access')
  await pool.query(`select sluice.append('w', 'full', 'a', '{}')`)
  await pool.query(`select sluice.close_stream(id) from sluice.streams where name = 'closed'`)
  await newJob(pool)
  await grow(pool, "name <> 'used'")

  await sweep(pool)

  t.strictSame(await namesIn(pool, 'w'), ['closed', 'full', 'used'])
  t.equal((await namesIn(pool, '$system')).length, 1)
  t.equal((await pool.query(`select from sluice.streams where kind = 'job'`)).rowCount, 1)
  const { rows } = await pool.query(`select streams::int from sluice.stream_counts where workspace = 'w'`)
  t.strictSame(rows, [{ streams: 3 }], 'there is room for another')
})

t.test(
  'a stream whose events have expired is removed two days later, unless a client follows it',
  async t => {
    const { pool } = await createDatabase(t)
    const followed = await ensureStream(pool, 'w', 'followed')
    for (const name of ['followed', 'left'])
      await pool.query(`select sluice.append('w', $1, 'a', '{}')`, [name])
    await grow(pool)
    await pool.query(`update sluice.events set at = at - interval '3 days'`)

    t.equal(await sweep(pool, [followed]), 2)
    t.strictSame(await namesIn(pool, 'w'), ['followed', 'left'], 'only just emptied')
    await grow(pool)
    await sweep(pool, [followed])

    t.strictSame(await namesIn(pool, 'w'), ['followed'])
  },
)

t.test('opening an unused stream keeps it, at once', async t => {
  const gateway = await startGateway(t)
  const { database } = gateway.app
  await ensureStream(database, 'acme', 'feed')
  await grow(database)

  await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  await until('its use is noted', async () => {
    const { rowCount } = await database.query(
      `select from sluice.streams where workspace = 'acme' and used_at > now() - interval '1 minute'`,
    )
    return rowCount === 1
  })
})

for (const [how, statement] of Object.entries({
  'sluice.append': `select sluice.append('w', 's', 'a', '{}')`,
  'the commit of sluice.publish': `select sluice.publish('w', 's', 'a', '{}')`,
  'the group commit': `select sluice.append_requests('{w}', '{s}', '{me}', '{null}', '{null}', '{1}', '{a}', '{"{}"}')`,
  'a commit of one request': `select sluice.append_request('w', 's', 'me', 'a', '{}', 'http', null)`,
})) {
  t.test(`an event published while its stream is being removed is stored: by ${how}`, async t => {
    const { pool } = await createDatabase(t)
    const id = await ensureStream(pool, 'w', 's')
    await grow(pool)
    const remover = await connect(t, pool)
    await remover.query('begin')
    await remover.query(`select sluice.retain_stream($1, '1 day', 10)`, [id])

    const publishing = pool.query(statement)
    await until('it waits', async () => {
      const { rowCount } = await pool.query(
        `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
      )
      return rowCount === 1
    })
    await remover.query('commit')
    await publishing

    const found = await findStream(pool, 'w', 's')
    t.ok(found && found.id !== id, 'in a stream of that name that was made anew')
    const { rows } = await pool.query('select stream_id, "position" from sluice.events')
    t.strictSame(rows, [{ stream_id: found?.id, position: 1 }])
  })
}

t.test('event ids of a removed stream are not valid in a new stream of the same name', async t => {
  const gateway = await startGateway(t)
  const { database } = gateway.app
  const event = { type: 'a', data: {} }
  const [id = ''] = await publish(gateway, event)
  await database.query(`select sluice.retain('feed', '0 s', 10)`)
  await grow(database)
  await database.query(`select sluice.retain('feed', '1 day', 10)`)
  t.equal(await findStream(database, 'acme', 'feed'), undefined)
  await until('the gateway has let go of it', async () => {
    await publish(gateway, event)
    const answer = await fetch(`${gateway.url}/api/events?after=${id}`, {
      headers: { ...as('viewer'), accept: 'application/json' },
    })
    return answer.status === 410 && (await answer.text()).includes('history-lost')
  })
})

t.test('a stream that a transaction keeps locked does not delay the retention of others', async t => {
  const { pool } = await createDatabase(t)
  for (const name of ['a', 'held', 'z']) await pool.query(`select sluice.append('w', $1, 'a', '{}')`, [name])
  await grow(pool)
  await pool.query(`update sluice.events set at = at - interval '3 days'`)
  const holder = await connect(t, pool)
  await holder.query('begin')
  await holder.query(`select sluice.append('w', 'held', 'a', '{}')`)

  t.equal(await sweep(pool), 2)
  await holder.query('commit')
  t.equal(await sweep(pool), 1)
})

t.test('a sweep reads only streams that are due', async t => {
  const { pool } = await createDatabase(t)
  await pool.query(`select sluice.append('w', 's' || n, 'a', '{}') from generate_series(1, 2000) n`)
  await pool.query('analyze sluice.streams')
  await grow(pool)
  // Their events are young: after one look at each they are not due before these expire.
  await sweep(pool)
  const before = await streamRowsRead(pool)

  await sweep(pool)

  const rows = (await streamRowsRead(pool)) - before
  t.ok(rows < 100, `${rows} rows of streams were read`)
})

function sweep(database: Database, followed: readonly StreamId[] = []): Promise<number> {
  const days = { feed: 1, access: 1 }
  return eventSweep({ database, days, followed: () => followed }).run(new AbortController().signal)
}

/** Makes the streams three days older. */
async function grow(database: Database, which = 'true'): Promise<void> {
  await database.query(
    `update sluice.streams set used_at = used_at - interval '3 days', oldest_at = oldest_at - interval '3 days' where ${which}`,
  )
}

async function newJob(database: Database): Promise<void> {
  const job = { kind: 'demo', project: null, title: null, priority: 0, max_attempts: 1, timeout_ms: null }
  await createJob(database, { workspace: 'acme', id: 'ada' }, job, '{}', false)
}

async function namesIn(database: Database, workspace: string): Promise<string[]> {
  const { rows } = await database.query<{ name: string }>(
    `select name from sluice.streams where workspace = $1 and kind <> 'job' order by name`,
    [workspace],
  )
  return rows.map(({ name }) => name)
}

async function limitIn(database: Database): Promise<number | undefined> {
  const { rows } = await database.query<{ most: number }>('select most from sluice.limits')
  return rows[0]?.most
}

async function publishTo({ url }: Gateway, workspace: string, stream: string) {
  const answer = await fetch(`${url}/api/events?stream=${stream}`, {
    method: 'POST',
    body: '{"type":"a","data":{}}',
    headers: { ...as('editor', workspace), 'content-type': 'application/json' },
  })
  const { code } = (await answer.json()) as { code?: string }
  return { status: answer.status, code }
}
