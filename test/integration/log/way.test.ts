/** How each event was published, and in which trace: what the log keeps of both. */
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { migrate } from '../../../src/database/migrate.js'
import type { Database } from '../../../src/database/pool.js'
import { inWorkspace } from '../../../src/database/workspace.js'
import { appendToJob, claimJob, createJob } from '../../../src/jobs/rows.js'
import { append } from '../../../src/log/append.js'
import { appendRequests } from '../../../src/log/append-requests.js'
import { compactionSweep } from '../../../src/log/compaction.js'
import { packageRoot } from '../../../src/process/package-root.js'
import { traceparentIn } from '../../../src/tracing/traceparent.js'
import { createDatabase, createEmptyDatabase } from '../../harness/database.js'
import { connect } from '../../harness/records.js'

const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const OTHER = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00'
const AUTHOR = { workspace: 'w', id: 'ada' } as const

async function ways(pool: Database, stream = 'feed', workspace = 'w'): Promise<unknown[][]> {
  const { rows } = await pool.query<{ type: string; way: string | null; traceparent: string | null }>(
    `select e.type, e.way, e.traceparent from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.workspace = $1 and s.name = $2 order by e."position"`,
    [workspace, stream],
  )
  return rows.map(({ type, way, traceparent }) => [type, way, traceparent])
}

async function watched(test: Test): Promise<Database> {
  const { pool } = await createDatabase(test)
  await pool.query(`
    create table public.doors (id int primary key, open boolean);
    insert into public.doors values (1, true);
    select sluice.watch('public.doors', 'door', workspace => 'w')`)
  return pool
}

t.test('the log keeps how each event was published', async t => {
  const pool = await watched(t)

  const client = await connect(t, pool)
  const request = { workspace: 'w', stream: 'feed', actor: 'ada', idempotency: undefined } as const
  const events = [{ type: 'given', data: '{}', traceparent: TRACE }]
  await appendRequests(client, [
    { ...request, way: 'http', events },
    { ...request, way: 'engine', events: [...events, { type: 'given', data: '{}' }] },
  ])
  await inWorkspace(pool, 'w', client =>
    append(client, 'w', 'feed', 'item.created', '{}', 'ada', { way: 'item', traceparent: TRACE }),
  )
  await pool.query(`select sluice.publish('w', 'feed', 'said', '{}', traceparent => $1)`, [TRACE])
  await pool.query(`select sluice.append('w', 'feed', 'added', '{}')`)
  await pool.query(`insert into public.doors values (2, true)`)
  await pool.query(`select sluice.backfill('public.doors', batch => 1)`)

  t.strictSame(await ways(pool), [
    ['given', 'http', TRACE],
    ['given', 'engine', TRACE],
    ['given', 'engine', null],
    ['item.created', 'item', TRACE],
    ['said', 'sql', TRACE],
    ['added', 'sql', null],
    ['door.created', 'watch', null],
    ['door.backfilled', 'backfill', null],
  ])
})

t.test(
  'a transaction that sets sluice.traceparent gives it to all that it publishes, and to nothing after it',
  async t => {
    const pool = await watched(t)
    const client = await connect(t, pool)

    await client.query('begin')
    await client.query(`set local sluice.traceparent = '${TRACE}'`)
    await client.query(`select sluice.publish('w', 'feed', 'own', '{}', null, $1)`, [OTHER])
    await client.query(`select sluice.publish('w', 'feed', 'its', '{}')`)
    await client.query('update public.doors set open = false')
    await client.query('commit')
    await client.query(`select sluice.publish('w', 'feed', 'later', '{}')`)

    t.strictSame(await ways(pool), [
      ['own', 'sql', OTHER],
      ['its', 'sql', TRACE],
      ['door.updated', 'watch', TRACE],
      ['later', 'sql', null],
    ])
  },
)

t.test(
  'an invalid traceparent is no trace, and fails nothing; the log and the gateway agree on each',
  async t => {
    const pool = await watched(t)
    const given = [
      TRACE,
      OTHER,
      `cc${TRACE.slice(2)}`,
      `cc${TRACE.slice(2)}-what-the-future-will-be-like`,
      `01${TRACE.slice(2)}-`,
      `cc${TRACE.slice(2)}.what`,
      `ff${TRACE.slice(2)}`,
      `${TRACE}-01`,
      `${TRACE}\n`,
      ` ${TRACE}`,
      TRACE.toUpperCase(),
      TRACE.slice(0, -1),
      TRACE.replace('4b', '4g'),
      TRACE.replace('4b', 'é4'),
      TRACE.replace('4bf92f', '4bf9-f'),
      TRACE.replace('-', '0'),
      `ee-${'0'.repeat(32)}-00f067aa0ba902b7-01-`,
      `ff${TRACE.slice(2)}-`,
      TRACE.replace('4bf92f3577b34da6a3ce929d0e0e4736', '0'.repeat(32)),
      TRACE.replace('00f067aa0ba902b7', '0'.repeat(16)),
      `${TRACE},${TRACE}`,
      '',
      "'; drop table sluice.events",
      'x'.repeat(100_000),
    ]

    for (const text of given) {
      await pool.query(`select sluice.publish('w', 'feed', 'a', '{}', null, $1)`, [text])
    }

    const valid = [TRACE, OTHER, TRACE, TRACE, TRACE]
    const kept = [...valid, ...given.slice(valid.length).map(() => null)]
    t.strictSame(
      (await ways(pool)).map(([, , traceparent]) => traceparent),
      kept,
    )
    t.strictSame(
      given.map(text => traceparentIn(text) ?? null),
      kept,
    )
  },
)

t.test(
  'the events of a job belong to the trace in which it was created; a report may name its own',
  async t => {
    const { pool } = await createDatabase(t)
    const job = { kind: 'build', project: null, title: null, priority: 0, max_attempts: 1, timeout_ms: null }
    await createJob(pool, { ...AUTHOR, traceparent: TRACE }, { ...job, id: 'j' }, '{}', false)

    const claimed = await claimJob(pool, AUTHOR, { runner: 'r' }, 60_000)
    const report = (author: typeof AUTHOR & { traceparent?: string }) =>
      appendToJob(pool, author, 'j', { attempt: 1, holder: 'ada' }, [{ type: 'log', data: '{}' }], undefined)
    await report(AUTHOR)
    await report({ ...AUTHOR, traceparent: OTHER })

    t.equal(claimed?.job.traceparent, TRACE)
    t.strictSame(await ways(pool, 'job:j'), [
      ['job.created', 'job', TRACE],
      ['job.started', 'job', TRACE],
      ['log', 'runner', TRACE],
      ['log', 'runner', OTHER],
    ])
  },
)

t.test('a redacted and a compacted event keep how they were published, and lose their trace', async t => {
  const { pool } = await createDatabase(t)
  const publish = (n: number) =>
    pool.query(
      `select sluice.publish('w', 'feed', 'a', json_build_object('id', 7, 'n', $1::int), null, $2)`,
      [n, TRACE],
    )
  for (const n of [1, 2, 3]) await publish(n)

  await pool.query(`
    select sluice.configure_stream('w', 'feed', '{"compact_key": "data.id", "compact_after_seconds": 0}');
    select sluice.redact('w', 'feed', 2, 'request 118');
    update sluice.compactions set checked_at = '-infinity', compact_after = '0 s'`)
  await compactionSweep(pool).run(new AbortController().signal)

  t.strictSame(await ways(pool), [
    ['event.compacted', 'sql', null],
    ['a', 'sql', null],
    ['a', 'sql', TRACE],
    ['event.redacted', 'system', null],
  ])
})

t.test(
  'the system marks its own events; a gateway of before leaves the way unknown, and finds its functions',
  async t => {
    const { pool } = await createDatabase(t)
    const client = await connect(t, pool)

    await pool.query(`select sluice.append('$system', 'server', 'server.mode', '{}', 'ada')`)
    await client.query(`begin; set local sluice.workspace = 'w'`)
    await client.query(`select sluice.append('w', 'feed', 'item.created', '{}', 'ada')`)
    await client.query('commit')
    for (const more of ['', `, array[null::text]`]) {
      await pool.query(
        `select sluice.append_requests('{w}', '{feed}', '{ada}', '{null}', '{null}', '{1}', '{given}', '{"{}"}'${more})`,
      )
    }
    await pool.query(`select sluice.publish('w', 'feed', 'said', '{}', 'ada')`)

    t.strictSame(await ways(pool, 'server', '$system'), [['server.mode', 'system', null]])
    t.strictSame(await ways(pool), [
      ['item.created', null, null],
      ['given', null, null],
      ['given', null, null],
      ['said', 'sql', null],
    ])
  },
)

t.test(
  'the upgrade keeps old events, the rights of roles on its functions, and what an application has built on them',
  async t => {
    const { pool, url } = await createEmptyDatabase(t)
    const before = await mkdtemp(join(tmpdir(), 'migrations-'))
    t.teardown(() => rm(before, { recursive: true }))
    await cp(join(packageRoot, 'migrations'), before, { recursive: true })
    const later = (await readdir(before)).filter(name => /^\d/.test(name) && name >= '0037')
    for (const name of later) await rm(join(before, name))
    await migrate(url, before)
    await pool.query(`
    create function public.say(text) returns uuid begin atomic select sluice.publish('w', 'feed', $1, '{}'); end;
    grant execute on function sluice.publish to pg_monitor with grant option;
    select sluice.publish('w', 'feed', 'old', '{}')`)

    await migrate(url)

    await pool.query(
      `select public.say('built'); grant execute on function sluice.publish to pg_read_all_data`,
    )
    const rights = await pool.query(
      `select has_function_privilege('pg_monitor', p.oid, 'execute with grant option') as granted
       from pg_proc p where p.oid = 'sluice.publish'::regproc`,
    )
    t.strictSame(rights.rows, [{ granted: true }])
    t.strictSame(await ways(pool), [
      ['old', null, null],
      ['built', 'sql', null],
    ])
  },
)

t.test(
  'the time of a commit is known if Postgres records it, and unknown after the row was written again',
  async t => {
    const { pool } = await createDatabase(t)
    await pool.query(`select sluice.publish('w', 'feed', 'a', '{}')`)
    const {
      rows: [recorded],
    } = await pool.query<{ on: boolean }>(`select current_setting('track_commit_timestamp') = 'on' as "on"`)
    const known = () =>
      pool.query(
        `select sluice.committed_at(e.stream_id, e."position") >= e.at as known from sluice.events e where e.type = 'a'`,
      )

    const before = (await known()).rows
    await pool.query(`select sluice.redact('w', 'feed', 1, 'request 118')`)
    const after = (await known()).rows

    t.strictSame(before, [{ known: recorded?.on === true ? true : null }])
    t.strictSame(after, [{ known: null }])
  },
)
