/** The group commit in the database: each request whole or refused, each idempotency key once. */
import type pg from 'pg'
import t from 'tap'
import type { Database } from '../../../src/database/pool.js'
import type { AppendRequest, Outcome } from '../../../src/log/append-request.js'
import { appendRequests } from '../../../src/log/append-requests.js'
import { createDatabase } from '../../harness/database.js'
import { backendOf, connect, isDense, logged, typesOf, untilBlocked } from '../../harness/records.js'

interface Short {
  readonly types: readonly string[]
  readonly key?: string
  readonly stream?: string
  readonly actor?: string
  readonly workspace?: string
  readonly fingerprint?: string
}

const requestOf = (short: Short): AppendRequest => ({
  workspace: short.workspace ?? 'w',
  stream: short.stream ?? 'feed',
  actor: short.actor ?? 'me',
  idempotency:
    short.key === undefined ? undefined : { key: short.key, fingerprint: short.fingerprint ?? 'same' },
  events: short.types.map(type => ({ type, data: '{}' })),
})

const submit = (client: pg.PoolClient, ...requests: Short[]) =>
  appendRequests(client, requests.map(requestOf))

/** Like positions of the stored, with an R for replayed ones, or the reason of the refusal. */
const summary = (outcomes: readonly (Outcome | undefined)[]) =>
  outcomes.map(outcome =>
    outcome?.refused === null
      ? `${outcome.replayed ? 'R' : ''}${outcome.events.map(event => event.position)}`
      : outcome?.refused,
  )

async function close(database: Database, stream: string): Promise<void> {
  await database.query(`select sluice.close_stream(sluice.ensure_stream('w', $1))`, [stream])
}

t.test('requests of one batch are stored in their order, each next to each other', async t => {
  const { pool } = await createDatabase(t)
  const client = await connect(t, pool)

  const outcomes = await submit(
    client,
    { types: ['a', 'b'] },
    { types: ['x'], stream: 'other' },
    { types: ['c'] },
    { types: ['y', 'z'], stream: 'other' },
    { types: ['p'], workspace: 'v' },
  )

  t.strictSame(summary(outcomes), ['1,2', '1', '3', '2,3', '1'])
  t.strictSame(await typesOf(pool), ['a', 'b', 'c'])
  t.strictSame(await typesOf(pool, 'other'), ['x', 'y', 'z'])
  t.strictSame(await typesOf(pool, 'feed', 'v'), ['p'])
})

t.test('a request to a closed stream is refused alone', async t => {
  const { pool } = await createDatabase(t)
  const client = await connect(t, pool)
  await close(pool, 'job')

  const outcomes = await submit(
    client,
    { types: ['a'] },
    { types: ['b', 'c'], stream: 'job' },
    { types: ['d'] },
  )

  t.strictSame(summary(outcomes), ['1', 'stream-closed', '2'])
  t.strictSame(await typesOf(pool, 'job'), [])
})

t.test('a repeated key gets the first result, also when its stream has been closed since', async t => {
  const { pool } = await createDatabase(t)
  const client = await connect(t, pool)
  const first = await submit(client, { types: ['a', 'b'], key: 'k', stream: 'job' })
  await close(pool, 'job')

  const second = await submit(client, { types: ['a', 'b'], key: 'k', stream: 'job' })

  t.strictSame(summary(second), ['R1,2'])
  t.strictSame(first[0]?.refused === null && first[0].events, second[0]?.refused === null && second[0].events)
  t.equal((await logged(pool, 'job')).length, 2)
})

t.test('an idempotency key with another request is refused, and the other requests are stored', async t => {
  const { pool } = await createDatabase(t)
  const client = await connect(t, pool)
  await submit(client, { types: ['a'], key: 'k' })

  const outcomes = await submit(
    client,
    { types: ['b'] },
    { types: ['c'], key: 'k', fingerprint: 'other' },
    { types: ['d'], key: 'l' },
  )

  t.strictSame(summary(outcomes), ['2', 'idempotency-key-reused', '3'])
  t.strictSame(await typesOf(pool), ['a', 'b', 'd'])
})

t.test('a key belongs to the principal in its workspace that used it', async t => {
  const { pool } = await createDatabase(t)
  const client = await connect(t, pool)

  const outcomes = await submit(
    client,
    { types: ['a'], key: 'k', actor: 'me' },
    { types: ['b'], key: 'k', actor: 'you' },
    { types: ['c'], key: 'k', actor: 'me', workspace: 'v' },
  )

  t.strictSame(summary(outcomes), ['1', '2', '1'])
})

t.test('the same key several times in one batch is stored once', async t => {
  const { pool } = await createDatabase(t)
  const client = await connect(t, pool)

  const outcomes = await submit(
    client,
    { types: ['a', 'b'], key: 'k' },
    { types: ['c'] },
    { types: ['a', 'b'], key: 'k' },
    { types: ['d'], key: 'k', fingerprint: 'other' },
  )

  t.strictSame(summary(outcomes), ['1,2', '3', 'R1,2', 'idempotency-key-reused'])
  t.strictSame(await typesOf(pool), ['a', 'b', 'c'])
})

t.test('a refused request leaves its key free', async t => {
  const { pool } = await createDatabase(t)
  const client = await connect(t, pool)
  await close(pool, 'job')
  const refused = await submit(
    client,
    { types: ['a'], key: 'k', stream: 'job' },
    { types: ['a'], key: 'k', stream: 'job' },
  )

  const stored = await submit(client, { types: ['b'], key: 'k', fingerprint: 'other' })

  t.strictSame(summary(refused), ['stream-closed', 'stream-closed'])
  t.strictSame(summary(stored), ['1'])
})

t.test('two processes with the same key at once store it once', async t => {
  const { pool } = await createDatabase(t)
  const first = await connect(t, pool)
  const second = await connect(t, pool)
  const pid = await backendOf(second)
  await first.query('begin')
  const stored = await submit(first, { types: ['a'], key: 'k' })

  const waiting = submit(second, { types: ['a'], key: 'k' })
  await untilBlocked(pool, pid)
  await first.query('commit')

  t.strictSame(summary(stored), ['1'])
  t.strictSame(summary(await waiting), ['R1'])
  t.equal((await logged(pool)).length, 1)
})

t.test('of two processes with the same key, the second stores it when the first one rolls back', async t => {
  const { pool } = await createDatabase(t)
  const first = await connect(t, pool)
  const second = await connect(t, pool)
  const pid = await backendOf(second)
  await first.query('begin')
  await submit(first, { types: ['a'], key: 'k' })

  const waiting = submit(second, { types: ['a'], key: 'k' })
  await untilBlocked(pool, pid)
  await first.query('rollback')

  t.strictSame(summary(await waiting), ['1'])
})

t.test('a key that is being used cannot expire meanwhile', async t => {
  const { pool } = await createDatabase(t)
  const client = await connect(t, pool)
  await submit(client, { types: ['a'], key: 'k' }, { types: ['b'], key: 'old' })
  await client.query('begin')
  const replayed = await submit(client, { types: ['a'], key: 'k' })

  const { rows } = await pool.query(`select sluice.forget_keys('0', 100) as removed`)
  await client.query('commit')

  t.strictSame(summary(replayed), ['R1'])
  t.equal(rows[0].removed, 1, 'the other one goes')
  t.strictSame(summary(await submit(client, { types: ['b'], key: 'old' })), ['3'], 'and is free again')
})

t.test('keys and streams in opposite orders do not deadlock', async t => {
  const { pool } = await createDatabase(t)
  const clients = await Promise.all(Array.from({ length: 6 }, () => connect(t, pool)))

  await Promise.all(
    clients.map(async (client, writer) => {
      for (let turn = 0; turn < 20; turn += 1) {
        const requests = ['p', 'q', 'r', 's'].map(stream => ({
          types: ['a'],
          stream,
          key: `${stream} ${turn % 10} ${writer % 3}`,
        }))
        await submit(client, ...(writer % 2 === 0 ? requests : requests.toReversed()))
      }
    }),
  )

  for (const stream of ['p', 'q', 'r', 's']) {
    const rows = await logged(pool, stream)
    t.ok(isDense(rows))
    t.equal(rows.length, 30, 'ten keys of three pairs of writers')
  }
})

t.test('a batch of 2,000 requests with keys to 2,000 streams is stored and replayed', async t => {
  const { pool } = await createDatabase(t)
  const client = await connect(t, pool)
  const requests = Array.from({ length: 2_000 }, (_, index) => ({
    types: ['a'],
    stream: `s${index}`,
    key: `${index}`,
  }))

  t.strictSame(new Set(summary(await submit(client, ...requests))), new Set(['1']))
  t.strictSame(new Set(summary(await submit(client, ...requests))), new Set(['R1']))
})

t.test('a call with inconsistent arguments is refused as a whole', async t => {
  const { pool } = await createDatabase(t)
  const call = (requestOf: number[], types: string[]) =>
    pool.query('select * from sluice.append_requests($1, $2, $3, $4, $5, $6, $7, $8)', [
      ['w'],
      ['feed'],
      ['me'],
      [null],
      [null],
      requestOf,
      types,
      types.map(() => '{}'),
    ])

  await t.rejects(call([], []), { code: 'SL002' }, 'a request without events')
  await t.rejects(call([1, 2], ['a', 'b']), { code: 'SL002' }, 'an event without a request')
  await t.rejects(call([1], ['heartbeat']), { code: 'SL002' }, 'a reserved type')
  await t.rejects(call([1], ['no type']), { code: 'SL002' }, 'no type')
  t.strictSame(await logged(pool), [])
})
