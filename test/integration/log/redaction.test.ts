/** Redaction from SQL: what is left of an event in the database, and what stays. */
import t from 'tap'
import Value from 'typebox/value'
import { type Database, inTransaction } from '../../../src/database/pool.js'
import { appendRequests } from '../../../src/log/append-requests.js'
import type { Position } from '../../../src/log/event.js'
import { EVENTS } from '../../../src/log/event-catalogue.js'
import { formatEventId } from '../../../src/log/event-id.js'
import { idempotencyOf } from '../../../src/log/idempotency.js'
import { createDatabase } from '../../harness/database.js'
import { appendEvents } from '../../harness/hub.js'
import { randomFrom } from '../../harness/random.js'
import { tablesWith } from '../../harness/tables-with.js'
import { startJobs } from '../jobs/service.js'

const MARKER = 'marker-7f3a'
const REASON = 'request 118'
const REDACTED = /^\{"redacted":true,"reason":"request 118","at":"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"\}$/

t.test('a redacted event keeps its place, and its followers get the event that says so', async t => {
  const { pool } = await createDatabase(t)
  const { ids } = await appendEvents(pool, 3, `{"name":"${MARKER}"}`)
  const before = await feed(pool)

  t.equal(await redact(pool, 2), true)
  t.equal(await redact(pool, 2), false, 'redacted before')
  t.equal(await redact(pool, 9), null, 'no such event')

  const after = await feed(pool)
  t.strictSame(
    after.slice(0, 3).map(({ data: _, actor: __, ...place }) => place),
    before.map(({ data: _, actor: __, ...place }) => place),
  )
  t.strictSame(
    [after[0], after[2]].map(event => event?.data),
    [before[0], before[2]].map(event => event?.data),
  )
  t.match(after[1], { data: REDACTED, actor: null })
  const { at } = JSON.parse(after[1]?.data ?? '')
  t.equal(after.length, 4)
  t.match(after[3], { type: 'event.redacted', actor: 'ada' })
  t.ok(Value.Check(EVENTS['event.redacted'].data, JSON.parse(after[3]?.data ?? '')))
  t.strictSame(JSON.parse(after[3]?.data ?? ''), { position: 2, id: ids[1], reason: REASON, at })
})

t.test('the change, its event and the message to every process commit together', async t => {
  const { pool } = await createDatabase(t)
  await appendEvents(pool, 2, `{"name":"${MARKER}"}`)
  const before = await feed(pool)

  await t.rejects(
    inTransaction(pool, async client => {
      await client.query(`select sluice.redact('acme', 'feed', 1, 'x')`)
      throw new Error('rolled back')
    }),
    { message: 'rolled back' },
  )
  t.strictSame(await feed(pool), before)
  t.strictSame(await messages(pool), [])

  await redact(pool, 1)
  t.strictSame(await messages(pool), [1])
})

t.test('the publisher stays known if the caller says so', async t => {
  const { pool } = await createDatabase(t)
  await appendEvents(pool, 1)

  await pool.query(`select sluice.redact('acme', 'feed', 1, 'x', keep_actor => true)`)

  t.equal((await feed(pool))[0]?.actor, 'test')
})

t.test('a redaction that cannot be meant is refused', async t => {
  const { pool } = await createDatabase(t)
  await appendEvents(pool, 1)
  const refused = async (code: string, ...values: unknown[]) =>
    t.rejects(pool.query('select sluice.redact($1, $2, 1, $3)', values), { code })

  await refused('SL007', 'acme', 'other', 'x')
  await refused('SL007', 'globex', 'feed', 'x')
  for (const reason of [null, '', 'x'.repeat(1_001)]) await refused('22023', 'acme', 'feed', reason)
  await refused('SL002', '$system', 'access', 'x')
  await t.rejects(
    inTransaction(pool, async client => {
      await client.query(`set local sluice.workspace = 'globex'`)
      await client.query(`select sluice.redact('acme', 'feed', 1, 'x')`)
    }),
    { code: '42501' },
  )
  for (const contains of ['{}', '[1]', '"x"', null])
    await t.rejects(pool.query(`select sluice.redact_where('acme', 'feed', $1, 'x')`, [contains]), {
      code: '22023',
    })
  t.equal((await feed(pool)).length, 1)
})

t.test('no table has anything of a redacted event, and a repeated publish stores nothing', async t => {
  const { pool } = await createDatabase(t)
  const event = { type: 'user.created', data: `{"name":"${MARKER}"}` }
  const idempotency = idempotencyOf('key', ['feed', [event]])
  const request = { workspace: 'acme', stream: 'feed', actor: 'ada', idempotency, events: [event, event] }
  const publish = (content: object = {}) =>
    inTransaction(pool, client => appendRequests(client, [{ ...request, ...content }]))
  const [stored] = await publish()
  await inTransaction(pool, async client => {
    await client.query(`select sluice.publish('acme', 'feed', 'user.created', $1)`, [event.data])
  })
  const traces = [MARKER, idempotency.fingerprint]
  t.strictSame(await tablesWith(pool, traces), ['events', 'idempotency_keys'], 'the search finds them')

  for (const position of [1, 2, 3]) t.equal(await redact(pool, position), true)

  t.strictSame(await tablesWith(pool, traces), [])
  t.match(await publish(), [{ ...stored, replayed: true }])
  const other = { key: 'key', fingerprint: 'of another request' }
  t.match(await publish({ idempotency: other }), [{ replayed: true }])
  t.equal((await feed(pool)).length, 6)
})

t.test('nothing is left of the redacted events of a job either, also after its end', async t => {
  const service = await startJobs(t)
  const { pool } = service
  const editor = service.as('editor')
  const { id } = await service.create({ title: MARKER })
  await service.claim({ runner: MARKER })
  const runner = service.as('runner')
  const held = { 'x-job-attempt': '1', 'idempotency-key': 'key' }
  await runner.post(`/api/jobs/${id}/events`, { type: 'output', data: { line: MARKER } }, held)
  const early = await pool.query(`select sluice.redact('acme', 'job:' || $1, 3, 'x') as redacted`, [id])
  t.strictSame(early.rows, [{ redacted: true }])
  await runner.post(`/api/jobs/${id}/complete`, { result: { text: MARKER } }, held)
  t.strictSame(await tablesWith(pool, [MARKER]), ['events', 'jobs'])
  const types = (await service.stream(id)).map(({ type }) => type)
  t.strictSame(types, ['job.created', 'job.started', 'output', 'event.redacted', 'job.completed'])

  for (const stream of ['feed', `job:${id}`]) {
    const { rows } = await pool.query(
      `select sluice.redact('acme', $1, e."position", 'x') as redacted
         from sluice.events e join sluice.streams s on s.id = e.stream_id
        where s.name = $1 and e.type like 'job.%'`,
      [stream],
    )
    t.strictSame(rows, Array(3).fill({ redacted: true }))
  }

  t.strictSame(await tablesWith(pool, [MARKER]), [])
  t.equal((await service.stream(id)).length, 5, 'a closed stream has had its last event')
  const { status, body } = await editor.get(`/api/jobs/${id}`)
  t.match({ status, body }, { status: 200, body: { title: null, runner: null, result: { redacted: true } } })
})

t.test('redact_where redacts the events that contain a JSON object, in batches', async t => {
  const { pool } = await createDatabase(t)
  const texts = [
    '{"user":42,"x":1}',
    '{"user":"42"}',
    '{"user":42.0,"deep":{"a":[1,2]}}',
    '{"user":7,"user":42}',
    '{"user":42,"nul":"\\u0000"}',
    '{"user":42,"half":"\\ud83d","whole":"\\ud83d\\ude00"}',
    '{"user":42,"huge":1e999999}',
    '{"user":1e999999}',
    '{"user":{"id":42}}',
  ]
  for (const text of texts) await appendEvents(pool, 1, text)

  const batches: unknown[] = []
  for (let after: unknown = 0; after !== null; after = batches.map(batch => Object(batch).up_to).at(-1)) {
    const { rows } = await pool.query(
      `select * from sluice.redact_where('acme', 'feed', '{"user":42}', 'x', 'ada', after => $1, at_most => 4)`,
      [after],
    )
    batches.push(rows[0])
  }

  t.strictSame(batches, [
    { redacted: 4, up_to: 5 },
    { redacted: 2, up_to: null },
  ])
  t.strictSame(await redacted(pool), [1, 3, 4, 5, 6, 7])
})

t.test('containment is that of jsonb, also in a text that jsonb cannot hold', async t => {
  const { pool } = await createDatabase(t)
  const random = randomFrom(5)
  const value = (depth: number): unknown => {
    const kind = random.integer(depth > 0 ? 6 : 4)
    if (kind < 4) return [random.integer(3), 'a', null, 'b😀'][kind]
    const values = Array.from({ length: random.integer(3) }, () => value(depth - 1))
    return kind === 4 ? values : Object.fromEntries(values.map((each, n) => ['pq'[n] ?? 'r', each]))
  }
  const pairs = Array.from({ length: 2_000 }, () => [{ p: value(2), q: value(2) }, { p: value(2) }])
  const texts = pairs.map(([whole, part]) => [JSON.stringify(whole), JSON.stringify(part)])

  const { rows } = await pool.query<{ whole: string; part: string; expected: boolean; found: boolean[] }>(
    `select whole, part, whole::jsonb @> part::jsonb as expected, array[
       sluice.data_contains(whole::json, part::jsonb),
       sluice.data_contains(replace(whole, '{"p"', '{"h":1e999999,"p"')::json, part::jsonb),
       sluice.data_contains(replace(whole, '{"p"', '{"h":"\\u0000\\\\","p"')::json, part::jsonb),
       sluice.data_contains(replace(replace(whole, '😀', '\\ud83d\\ude00'), '{"p"', '{"h":"\\ude00\\ud83d",
         "i":-1e-999999999,"p"')::json, part::jsonb)] as found
       from unnest($1::text[], $2::text[]) as t (whole, part)`,
    [texts.map(([whole]) => whole), texts.map(([, part]) => part)],
  )

  t.strictSame(
    rows.filter(({ expected, found }) => found.some(each => each !== expected)),
    [],
  )
  t.ok(rows.filter(({ expected }) => expected).length > 100)
})

t.test('the event id is that of the gateway', async t => {
  const { pool } = await createDatabase(t)
  const { rows } = await pool.query<{ uuid: string; id: string }>(
    'select u as uuid, sluice.format_event_id(7, u) as id from (select gen_random_uuid() u from generate_series(1, 500)) u',
  )

  t.strictSame(
    rows.map(({ id }) => id),
    rows.map(({ uuid }) => formatEventId(7 as Position, uuid)),
  )
})

interface Stored {
  readonly position: number
  readonly event_id: string
  readonly at: Date
  readonly type: string
  readonly data: string
  readonly actor: string | null
}

async function feed(pool: Database): Promise<Stored[]> {
  const { rows } = await pool.query<Stored>(
    `select e."position", e.event_id, e.at, e.type, e.data::text as data, e.actor
       from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.workspace = 'acme' and s.name = 'feed' order by e."position"`,
  )
  return rows
}

async function redacted(pool: Database): Promise<number[]> {
  return (await feed(pool)).filter(({ data }) => /^\{"redacted"/.test(data)).map(({ position }) => position)
}

async function redact(pool: Database, position: number): Promise<boolean | null> {
  const { rows } = await pool.query(`select sluice.redact('acme', 'feed', $1, $2, 'ada') as redacted`, [
    position,
    REASON,
  ])
  return rows[0]?.redacted
}

/** The last position that each message to the processes names. */
async function messages(pool: Database): Promise<number[]> {
  const { rows } = await pool.query<{ upTo: number }>(
    `select (e.data ->> 'up_to')::bigint as "upTo" from sluice.events e where e.type = 'events.changed' order by e."position"`,
  )
  return rows.map(({ upTo }) => upTo)
}
