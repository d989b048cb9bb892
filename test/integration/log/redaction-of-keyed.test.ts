/** Redaction of CloudEvents in a stream that is compacted by key, before, between and after the work of the sweep. */
import t from 'tap'
import { type Database, inTransaction } from '../../../src/database/pool.js'
import { appendRequests } from '../../../src/log/append-requests.js'
import { compactionSweep } from '../../../src/log/compaction.js'
import { COMPACTED, type Position } from '../../../src/log/event.js'
import { EventFilter } from '../../../src/log/event-filter.js'
import { type Idempotency, idempotencyOf } from '../../../src/log/idempotency.js'
import { parseKeyPath, readLatestPage } from '../../../src/log/latest.js'
import { ensureStream, readHead } from '../../../src/log/log.js'
import { redactMatching } from '../../../src/redaction/matching-events.js'
import { createDatabase } from '../../harness/database.js'
import { logged } from '../../harness/records.js'
import { tablesWith } from '../../harness/tables-with.js'

const MARKER = 'marker-7f3a'
const SECRET = { type: 'user.moved', data: `{"id":"${MARKER}"}`, attributes: `{"subject":"${MARKER}"}` }
const OTHER = { type: 'user.moved', data: '{"id":"other"}' }
const IDEMPOTENCY = idempotencyOf('key', ['users', [SECRET]])
const ACTS = ['index', 'sweep', 'redact'] as const

for (const acts of orders(ACTS)) {
  t.test(
    `nothing is left of redacted events, their key, attributes and publisher: ${acts.join(', ')}`,
    async t => {
      const { pool } = await createDatabase(t)
      const stream = await ensureStream(pool, 'acme', 'users')
      await pool.query(`select sluice.configure_stream('acme', 'users', '{"compact_key":"data.id"}')`)
      await pool.query(`update sluice.compactions set compact_after = '0 s'`)
      await publish(pool, MARKER)
      await pool.query('select sluice.index_latest($1, 100)', [stream])
      await publish(pool, MARKER)
      await publish(pool, 'ada', IDEMPOTENCY)
      t.strictSame(
        await tablesWith(pool, [MARKER, IDEMPOTENCY.fingerprint]),
        ['events', 'idempotency_keys', 'latest'],
        'the search finds them',
      )

      let redacted = 0
      const work = {
        index: () => pool.query('select sluice.index_latest($1, 100)', [stream]),
        sweep: () => sweep(pool),
        redact: async () => {
          redacted = await redactAll(pool)
        },
      }
      for (const act of acts) await work[act]()
      // A compacted event has no data any more, but the log knows who published it.
      await pool.query(
        `select sluice.redact('acme', 'users', p, 'x') from generate_series(1, 6) p where p % 2 = 1`,
      )

      t.strictSame(await tablesWith(pool, [MARKER, IDEMPOTENCY.fingerprint]), [])
      const events = (await logged(pool, 'users', 'acme')).filter(({ position }) => position <= 6)
      const compacted = events.filter(({ type }) => type === COMPACTED).map(({ position }) => position)
      t.equal(redacted, acts.indexOf('redact') < acts.indexOf('sweep') ? 3 : 1)
      await sweep(pool)
      t.strictSame(await tablesWith(pool, [MARKER]), [], 'the sweep brings nothing back')
      t.strictSame(compacted.includes(6), false)
      const page = await readLatestPage(pool, stream, {
        key: parseKeyPath('data.id'),
        after: 0 as Position,
        upTo: await readHead(pool, stream),
        limit: 100,
        maxBytes: 100_000,
      })
      t.match(page?.events, [{ position: 6, data: OTHER.data }])
      t.equal(page?.events.filter(({ type }) => type === OTHER.type).length, 1)
    },
  )
}

/** A secret event and another one. */
async function publish(pool: Database, actor: string, idempotency?: Idempotency): Promise<void> {
  const to = { workspace: 'acme', stream: 'users' }
  const requests = [
    { ...to, actor, idempotency, events: [SECRET] },
    { ...to, actor: 'bob', idempotency: undefined, events: [OTHER] },
  ]
  await inTransaction(pool, client => appendRequests(client, requests))
}

async function redactAll(pool: Database): Promise<number> {
  const { redacted } = await redactMatching(
    pool,
    { workspace: 'acme', principal: 'admin', address: null, requestId: null },
    {
      stream: 'users',
      filter: EventFilter.of({ where: `data.id eq "${MARKER}"` }),
      after: undefined,
      limit: 1_000,
      reason: 'request 118',
      keepActor: false,
    },
  )
  return redacted
}

/** Runs the sweep although it has looked at the stream a moment ago. */
async function sweep(pool: Database): Promise<number> {
  await pool.query(`update sluice.compactions set checked_at = '-infinity'`)
  return compactionSweep(pool).run(new AbortController().signal)
}

function orders<Each>(of: readonly Each[]): Each[][] {
  if (of.length <= 1) return [[...of]]
  return of.flatMap((first, n) => orders(of.filter((_, other) => other !== n)).map(rest => [first, ...rest]))
}
