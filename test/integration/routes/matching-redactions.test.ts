/** Redaction of all events that match a condition, over HTTP. */
import t, { type Test } from 'tap'
import { createPool, type Database } from '../../../src/database/pool.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { appendEvents } from '../../harness/hub.js'
import { bearer, token } from '../../harness/tokens.js'

const WHERE = 'data.user eq "ada" or data.big gt 9007199254740992'

t.test('all events that match are redacted, in parts, and no other event', async t => {
  const { gateway, pool } = await start(t)
  const secret = { type: 'user.changed', data: { user: 'ada' } }
  const other = { type: 'user.changed', data: { user: 'bob' } }
  await publish(gateway, [...Array(5).fill(secret), other, ...Array(5).fill(secret), other])
  // Postgres itself can judge neither of these.
  await appendEvents(pool, 1, '{"user":"ada","x":"\\u0000"}')
  await appendEvents(pool, 1, '{"user":"bob","x":"\\u0000"}')
  await appendEvents(pool, 1, '{"big":9007199254740993e0}')
  await appendEvents(pool, 1, '{"big":9007199254740992}')

  const parts = await redactAll(gateway, { where: WHERE, reason: 'x', limit: 5 })

  t.match(parts, [
    { redacted: 5, next: /^5\./ },
    { redacted: 5, next: /^11\./ },
    { redacted: 2, next: null },
  ])
  t.strictSame(await positions(pool), [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 13, 15])
  t.match(
    await redactAll(gateway, { where: WHERE, reason: 'again' }),
    [{ redacted: 0, next: null }],
    'once is enough',
  )
  const { rows } = await pool.query(`select details::text from sluice.audit where action = 'event.redacted'`)
  t.match(
    rows.map(({ details }) => JSON.parse(details)),
    [
      { stream: 'feed', redacted: 5, reason: 'x', first: /^1\./, last: /^5\./ },
      { stream: 'feed', redacted: 5, reason: 'x', first: /^7\./, last: /^11\./ },
      { stream: 'feed', redacted: 2, reason: 'x', first: /^13\./, last: /^15\./ },
    ],
  )
  t.notMatch(JSON.stringify(rows), 'ada')
})

t.test('a condition that matches everything comes to an end', async t => {
  const { gateway, pool } = await start(t)
  await publish(gateway, Array(20).fill({ type: 'thing.made', data: { n: 1 } }))

  const parts = await redactAll(gateway, { where: 'not data.m exists', reason: 'x', limit: 8 })

  t.equal(
    parts.reduce((sum, { redacted }) => sum + redacted, 0),
    20,
  )
  t.strictSame(
    await positions(pool),
    Array.from({ length: 20 }, (_, n) => n + 1),
  )
})

t.test('only events of the types that the caller names and may write are redacted', async t => {
  const { gateway, pool } = await start(t)
  const types = ['user.made', 'user.left', 'room.made']
  await publish(
    gateway,
    types.map(type => ({ type, data: { n: 1 } })),
  )
  const grants = { subscribe: ['*'], publish: ['*'], types: ['user.*'] }
  const limited = bearer(token({ sub: 'ada', role: 'admin', sluice: grants }))

  await redactAll(gateway, { where: 'data.n eq 1', types: 'user.made,room.*', reason: 'x' }, limited)

  t.strictSame(await positions(pool), [1])
})

t.test('one request reads a bounded part of the stream', async t => {
  const { gateway, pool } = await start(t)
  for (let appended = 0; appended < 110_000; appended += 10_000) await appendEvents(pool, 10_000, '{"n":1}')

  const parts = await redactAll(gateway, { where: 'data.n eq 2', reason: 'x' })

  t.match(parts, [
    { redacted: 0, next: /^100000\./ },
    { redacted: 0, next: null },
  ])
})

t.test('a cursor that retention has passed continues; one that the log has lost does not', async t => {
  const { gateway, pool } = await start(t)
  const [first = ''] = await publish(gateway, Array(6).fill({ type: 'thing.made', data: { n: 1 } }))
  const ask = { where: 'data.n eq 1', reason: 'x' }
  const lost = first.replace(/.$/, last => (last === 'a' ? 'b' : 'a'))
  const refusals = [
    [redact(gateway, { ...ask, cursor: lost }), 410, 'history-lost'],
    [redact(gateway, { ...ask, cursor: `900${lost}` }), 410, 'history-lost'],
    [redact(gateway, { ...ask, cursor: '1' }), 400, 'invalid-event-id'],
    [redact(gateway, { ...ask, where: 'data.n is 1' }), 400, 'invalid-where'],
    [redact(gateway, { reason: 'x' }), 400, 'invalid-request'],
    [redact(gateway, { where: ask.where }), 400, 'invalid-request'],
    [redact(gateway, { ...ask, limit: 1_001 }), 400, 'invalid-request'],
    [redact(gateway, ask, as('editor')), 403, 'role-too-low'],
    [redact(gateway, ask, as('admin'), 'nothing'), 404, 'not-found'],
  ] as const
  for (const [answer, status, code] of refusals) t.match(await answer, { status, body: { code } })
  t.strictSame(await positions(pool), [])

  await pool.query(`select sluice.retain_stream(id, interval '0', 3) from sluice.streams where name = 'feed'`)
  t.match(await redact(gateway, { ...ask, cursor: first }), {
    status: 200,
    body: { redacted: 3, next: null },
  })
  t.strictSame(await positions(pool), [4, 5, 6])
})

interface Part {
  readonly redacted: number
  readonly next: string | null
}

async function start(t: Test) {
  const gateway = await startGateway(t)
  const pool = createPool(gateway.databaseUrl, { max: 2, name: 'redactions test', onError: () => undefined })
  t.teardown(() => pool.end())
  return { gateway, pool }
}

/** The positions of the redacted events of the feed. */
async function positions(pool: Database): Promise<number[]> {
  const { rows } = await pool.query<{ position: number }>(
    `select e."position" from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.name = 'feed' and e.redacted_at is not null order by 1`,
  )
  return rows.map(({ position }) => position)
}

async function redactAll(gateway: Gateway, body: object, identity = as('admin')): Promise<Part[]> {
  const parts: Part[] = []
  for (let next: string | null | undefined; next !== null; ) {
    const answer = await redact(gateway, { ...body, ...(next && { cursor: next }) }, identity)
    if (answer.status !== 200 || parts.length > 20) throw new Error(JSON.stringify({ answer, parts }))
    parts.push(answer.body)
    next = answer.body.next
  }
  return parts
}

async function redact(
  { url }: Gateway,
  body: object,
  identity = as('admin'),
  stream = 'feed',
): Promise<{ status: number; body: Part }> {
  const answer = await fetch(`${url}/api/events/redact?stream=${stream}`, {
    method: 'POST',
    headers: { ...identity, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: answer.status, body: Object(await answer.json()) }
}
