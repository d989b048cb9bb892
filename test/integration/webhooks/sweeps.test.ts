/** What is removed of webhooks in time, and how a key is changed. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { type Database, inTransaction } from '../../../src/database/pool.js'
import { append } from '../../../src/log/append.js'
import { attemptId, recordDeliveries } from '../../../src/webhooks/delivery-records.js'
import { readEndpoints } from '../../../src/webhooks/endpoint-rows.js'
import { Sealer } from '../../../src/webhooks/sealer.js'
import type { WebhookId } from '../../../src/webhooks/webhook.js'
import { attemptSweep, deadLetterSweep, secretSweep } from '../../../src/webhooks/webhook-sweeps.js'
import { createDatabase } from '../../harness/database.js'
import { claim, SEALER, SECRET, storeWebhook } from './stored-webhook.js'

const DAY_MS = 86_400_000
const never = new AbortController().signal

t.test('attempts go when they are old, and the oldest when a webhook has too many', async t => {
  const { pool } = await createDatabase(t)
  const [busy, quiet] = [await storeWebhook(pool, 'acme'), await storeWebhook(pool, 'rival')]
  const ages = [9, 8, 2, 1, 0.5]
  for (const id of [busy, quiet]) {
    const attempts = ages.map((days, n) => attempt(id, n + 1, new Date(Date.now() - days * DAY_MS)))
    await inTransaction(pool, client => recordDeliveries(client, { attempts, changes: [] }))
  }

  const none = await attemptSweep(pool, 0).run(never)
  const old = await attemptSweep(pool, 7).run(never)
  await inTransaction(pool, client =>
    recordDeliveries(client, { attempts: [attempt(busy, 6, new Date())], changes: [] }),
  )
  const surplus = await attemptSweep(pool, 7, 3).run(never)

  const { rows } = await pool.query(
    `select w.id, w.attempts, array_agg(a.position order by a.position) as positions
       from sluice.webhooks w join sluice.webhook_attempts a on a.webhook_id = w.id group by w.id`,
  )
  t.strictSame([none, old, surplus], [0, 4, 1])
  t.strictSame(
    new Map(rows.map(({ id, attempts, positions }) => [id, [attempts, positions]])),
    new Map([
      [busy, [3, ['4', '5', '6']]],
      [quiet, [3, ['3', '4', '5']]],
    ]),
  )
})

t.test('a dead letter goes with its event, and is counted no longer', async t => {
  const { pool } = await createDatabase(t)
  const id = await storeWebhook(pool, 'acme')
  const { epoch } = await claim(pool, id)
  for (let n = 0; n < 3; n += 1) await append(pool, 'acme', 'feed', 'thing.made', '{}', 'ada')
  const dead = [1, 2, 3].map(position => ({
    position,
    eventId: randomUUID(),
    type: 'thing.made',
    attempts: 11,
    status: 500,
    error: undefined,
  }))
  const change = { id, epoch, workspace: 'acme', waiting: [], settled: [], dead }
  await inTransaction(pool, client => recordDeliveries(client, { attempts: [], changes: [change] }))

  const before = await deadLetterSweep(pool).run(never)
  await pool.query(`update sluice.streams set base_position = 2 where workspace = 'acme'`)
  const after = await deadLetterSweep(pool).run(never)

  t.strictSame([before, after], [0, 2])
  t.strictSame(await letters(pool, id), [{ dead_letters: 1, position: 3 }])
})

t.test('secrets are sealed again by the first key, and then the former one is not needed', async t => {
  const { pool } = await createDatabase(t)
  const id = await storeWebhook(pool, 'acme')
  const next = 'the next key of at least thirty-two characters'
  const former = 'a secret of thirty-two characters, or more'
  const both = new Sealer([next, former])
  const read = async (sealer: Sealer) => (await readEndpoints(pool, sealer, [id])).get(id)?.endpoint.secrets

  t.strictSame(await read(both), [SECRET])
  t.strictSame(await read(new Sealer([next])), [])
  t.equal(await secretSweep(pool, new Sealer([next])).run(never), 0, 'what no key opens stays')
  t.equal(await secretSweep(pool, both).run(never), 2)
  t.strictSame([await read(new Sealer([next])), await read(SEALER)], [[SECRET], []])
  t.equal(await secretSweep(pool, both).run(never), 0)
})

function attempt(webhook: WebhookId, position: number, at: Date) {
  return {
    webhook,
    id: attemptId(at),
    position,
    eventId: randomUUID(),
    type: 'thing.made',
    attempt: 1,
    at,
    outcome: 'failed' as const,
    status: 500,
    milliseconds: 1,
    error: undefined,
    answer: undefined,
    nextTryAt: undefined,
    lane: 'live' as const,
  }
}

async function letters(pool: Database, id: WebhookId) {
  const { rows } = await pool.query(
    `select w.dead_letters, d.position from sluice.webhooks w join sluice.webhook_dead_letters d on d.webhook_id = w.id
      where w.id = $1`,
    [id],
  )
  return rows
}
