/** What the deliverer records and reads, and what of it counts. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { Epoch } from '../../../src/consumers/consumer.js'
import { inTransaction } from '../../../src/database/pool.js'
import { inWorkspace } from '../../../src/database/workspace.js'
import {
  type AttemptRecord,
  attemptId,
  type EndpointChange,
  recordDeliveries,
} from '../../../src/webhooks/delivery-records.js'
import type { WaitingDelivery } from '../../../src/webhooks/endpoint.js'
import { readEndpoints, readRevisions } from '../../../src/webhooks/endpoint-rows.js'
import { Sealer } from '../../../src/webhooks/sealer.js'
import type { WebhookId } from '../../../src/webhooks/webhook.js'
import { selectWebhook } from '../../../src/webhooks/webhook-list.js'
import { createDatabase } from '../../harness/database.js'
import { claim, SEALER, SECRET, storeWebhook } from './stored-webhook.js'

const WORKSPACE = 'acme'
const AT = new Date('2026-11-26T12:00:00.000Z')

t.test(
  'an endpoint is read with its secrets in the clear, and without them where no key opens them',
  async t => {
    const { pool } = await createDatabase(t)
    const id = await storeWebhook(pool, WORKSPACE, { order: 'parallel' })

    const found = (await readEndpoints(pool, SEALER, [id])).get(id)
    const elsewhere = (
      await readEndpoints(pool, new Sealer(['another secret of at least 32 characters']), [id])
    ).get(id)

    t.match(found, {
      state: 'active',
      endpoint: {
        order: 'parallel',
        maxInFlight: 10,
        secrets: [SECRET],
        headers: { authorization: 'Bearer hidden' },
      },
      waiting: [],
      replay: undefined,
      failingSince: undefined,
    })
    t.match(elsewhere?.endpoint, { secrets: [], headers: {} })
    t.notMatch(elsewhere?.endpoint, { headers: { authorization: String } })
  },
)

t.test('a failure waits, a success settles it, and the document follows', async t => {
  const { pool } = await createDatabase(t)
  const id = await storeWebhook(pool, WORKSPACE)
  const { epoch } = await claim(pool, id)
  const event = randomUUID()
  const failed = attempt(id, 1, event, {
    outcome: 'failed',
    status: 500,
    error: 'The receiver answered 500.',
    answer: 'a\0b',
  })
  const delivery = waiting(1, event, { attempts: 1, status: 500, error: 'The receiver answered 500.' })

  await record(pool, [failed], change(id, epoch, { waiting: [delivery], failingSince: AT }))
  const [during, before] = [await documentOf(pool, id), (await readEndpoints(pool, SEALER, [id])).get(id)]
  const later = { attempt: 2, at: new Date(AT.getTime() + 5_000) }
  const success = change(id, epoch, { settled: [delivery], succeededAt: later.at, failingSince: null })
  await record(pool, [attempt(id, 1, event, later)], success)
  const [after, since] = [await documentOf(pool, id), (await readEndpoints(pool, SEALER, [id])).get(id)]

  t.match(during, {
    failing: { attempt: 1, status: 500, error: 'The receiver answered 500.', since: AT.toISOString() },
    last_attempt: { outcome: 'failed', status: 500, milliseconds: 12 },
    last_success_at: null,
  })
  t.match(during?.failing?.event_id, /^1\.[a-z2-7]{6}$/)
  t.strictSame([before?.waiting, before?.failingSince], [[delivery], AT])
  t.match(after, {
    failing: null,
    last_attempt: { outcome: 'delivered' },
    last_success_at: later.at.toISOString(),
  })
  t.strictSame([since?.waiting, since?.failingSince], [[], undefined])
})

t.test('under an old epoch only the attempt counts, because it has happened', async t => {
  const { pool } = await createDatabase(t)
  const id = await storeWebhook(pool, WORKSPACE)
  const { epoch: old } = await claim(pool, id)
  await claim(pool, id)
  const event = randomUUID()
  const gone = change(id, old, {
    waiting: [waiting(1, event)],
    dead: [{ position: 2, eventId: event, type: 'a', attempts: 11, status: 500, error: undefined }],
    succeededAt: AT,
    state: { to: 'disabled', reason: 'gone' },
  })

  const refused = await record(pool, [attempt(id, 1, event, { outcome: 'failed' })], gone)

  t.strictSame(refused, [id])
  const { rows } = await pool.query('select count(*) as n from sluice.webhook_attempts')
  t.strictSame(rows, [{ n: 1 }])
  t.match(await documentOf(pool, id), {
    state: 'active',
    failing: null,
    dead_letters: 0,
    last_success_at: null,
  })
})

t.test('a dead letter is counted once, however often it is recorded', async t => {
  const { pool } = await createDatabase(t)
  const id = await storeWebhook(pool, WORKSPACE)
  const { epoch } = await claim(pool, id)
  const letter = { position: 1, eventId: randomUUID(), type: 'a', attempts: 11, status: 500, error: 'x' }

  for (let n = 0; n < 2; n += 1) await record(pool, [], change(id, epoch, { dead: [letter] }))

  t.equal((await documentOf(pool, id))?.dead_letters, 1)
})

t.test(
  'a state that the deliverer sets is in the document, the audit log and the feed, and nobody claims the webhook',
  async t => {
    const { pool } = await createDatabase(t)
    const id = await storeWebhook(pool, WORKSPACE)
    const { epoch } = await claim(pool, id)
    const revision = (await readRevisions(pool, [id])).get(id)?.revision ?? 0

    await record(pool, [], change(id, epoch, { state: { to: 'disabled', reason: 'gone' } }))

    t.match(await documentOf(pool, id), { state: 'disabled', state_reason: 'gone' })
    t.match((await readRevisions(pool, [id])).get(id), { revision: revision + 1, state: 'disabled' })
    const audit = await pool.query(
      `select action, principal, details::text from sluice.audit where action like 'webhook.%'`,
    )
    const details = { webhook: id, url_host: 'hooks.example.com', reason: 'gone' }
    t.strictSame(audit.rows, [
      { action: 'webhook.disabled', principal: null, details: JSON.stringify(details) },
    ])
    const events = await pool.query(
      `select e.type, e.data::text, e.way from sluice.events e where e.type like 'webhook.%'`,
    )
    t.match(events.rows, [{ type: 'webhook.disabled', way: 'system' }])
    t.strictSame(JSON.parse(events.rows[0].data), {
      webhook_id: id,
      url_host: 'hooks.example.com',
      reason: 'gone',
    })
    await t.rejects(claim(pool, id), { message: 'The webhook was not claimed.' })
  },
)

t.test('a replay moves forward and ends', async t => {
  const { pool } = await createDatabase(t)
  const id = await storeWebhook(pool, WORKSPACE)
  const { epoch } = await claim(pool, id)
  const [replay, event] = [randomUUID(), randomUUID()]
  await pool.query(`select sluice.start_webhook_replay('acme', $1, $2, 3, $3, 9, $3, 'ada')`, [
    id,
    replay,
    event,
  ])
  const moved = (position: number, ended?: 'completed') =>
    record(pool, [], change(id, epoch, { replay: { id: replay, position, eventId: event, ended } }))

  const at: unknown[] = []
  for (const position of [5, 4]) {
    await moved(position)
    at.push((await readEndpoints(pool, SEALER, [id])).get(id)?.replay?.cursor.position)
  }
  await moved(9, 'completed')

  t.strictSame(at, [5, 5], 'never back')
  t.equal((await readEndpoints(pool, SEALER, [id])).get(id)?.replay, undefined)
  t.match((await documentOf(pool, id))?.replay, { state: 'completed', ended_at: String })
})

t.test('ids of attempts are in the order of time', async t => {
  const times = [0, 1, 255, 1_900_000_000_000].map(ms => attemptId(new Date(ms)))

  t.strictSame([...times].sort(), times)
  t.ok(times.every(id => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)))
})

type Pool = Awaited<ReturnType<typeof createDatabase>>['pool']

function record(pool: Pool, attempts: AttemptRecord[], ...changes: EndpointChange[]) {
  return inTransaction(pool, client => recordDeliveries(client, { attempts, changes }))
}

function documentOf(pool: Pool, id: WebhookId) {
  return inWorkspace(pool, WORKSPACE, client => selectWebhook(client, WORKSPACE, id))
}

function attempt(
  webhook: WebhookId,
  position: number,
  eventId: string,
  given: Partial<AttemptRecord> = {},
): AttemptRecord {
  return {
    webhook,
    position,
    eventId,
    type: 'thing.made',
    attempt: 1,
    at: AT,
    outcome: 'delivered',
    status: 204,
    milliseconds: 12.4,
    error: undefined,
    answer: undefined,
    nextTryAt: undefined,
    lane: 'live',
    ...given,
  }
}

function waiting(position: number, eventId: string, given: Partial<WaitingDelivery> = {}): WaitingDelivery {
  const nextTryAt = new Date(AT.getTime() + 5_000)
  return {
    lane: 'live',
    position,
    eventId,
    attempts: 1,
    since: AT,
    nextTryAt,
    status: undefined,
    error: undefined,
    ...given,
  }
}

function change(id: WebhookId, epoch: Epoch, given: Partial<EndpointChange>): EndpointChange {
  return { id, epoch, workspace: WORKSPACE, waiting: [], settled: [], dead: [], ...given }
}
