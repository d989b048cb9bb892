/** A consumer has one holder at a time, and nothing of an earlier holder counts once there is another. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { Consumer } from '../../../src/consumers/consumer.js'
import { fenceConsumer, removeConsumer, seekConsumer } from '../../../src/consumers/consumer-creation.js'
import {
  claimConsumers,
  readConsumer,
  readConsumers,
  releaseLeases,
  renewLeases,
} from '../../../src/consumers/consumer-rows.js'
import { moveCursors, noteHandedOut, resetCursor } from '../../../src/consumers/cursor-rows.js'
import { inTransaction } from '../../../src/database/pool.js'
import { inWorkspace } from '../../../src/database/workspace.js'
import { until } from '../../harness/until.js'
import { NODE, OTHER_NODE, startStore, WORKSPACE } from './rows.js'

const LEASE_MS = 10_000
const idOf = ({ id }: { id: string }) => id

t.test('of several claims at once, one succeeds', async t => {
  const { create, claim } = await startStore(t)
  const { id } = await create()

  const claims = await Promise.all(['ada', 'bob', 'eve', 'joe'].map(holder => claim(id, holder)))

  const won = claims.filter(claimed => claimed !== undefined)
  t.equal(won.length, 1)
  t.match(won[0], { epoch: 1, held: { node: NODE }, cursor: { position: 0 } })
  t.equal(await claim(id, 'zoe'), undefined)
})

t.test('of several takeovers at once, the last one holds, and each has an epoch of its own', async t => {
  const { pool, create, claim } = await startStore(t)
  const { id } = await create()
  await claim(id)

  const claims = await Promise.all(['bob', 'eve', 'joe'].map(holder => claim(id, holder, { takeover: true })))

  const byEpoch = claims.flatMap(claimed => claimed ?? []).sort((one, other) => one.epoch - other.epoch)
  t.same(
    byEpoch.map(({ epoch }) => epoch),
    [2, 3, 4],
  )
  t.match(await readConsumer(pool, id), { epoch: 4, held: { principal: byEpoch[2]?.held?.principal } })
})

t.test('an acknowledgement by an old epoch is refused and moves nothing', async t => {
  const { pool, create, claim, at } = await startStore(t, 3)
  const { id } = await create()
  const first = claimed(await claim(id))
  const second = claimed(await claim(id, 'bob', { takeover: true }))

  const refused = await moveCursors(pool, [{ ...first, ...at(3) }])
  const between = await readConsumer(pool, id)
  const accepted = await moveCursors(pool, [{ ...second, ...at(2) }])

  t.match(refused, [{ id, epoch: 1 }])
  t.match(between, { cursor: at(0), lastAckAt: null })
  t.same(accepted, [])
  t.match(await readConsumer(pool, id), { cursor: at(2), lastAckAt: Date })
})

t.test('cursors are cumulative: an earlier place changes nothing and is not refused', async t => {
  const { pool, create, claim, at } = await startStore(t, 3)
  const holding = claimed(await claim((await create()).id))
  await noteHandedOut(pool, [{ ...holding, ...at(3), inFlight: 3 }])
  await moveCursors(pool, [{ ...holding, ...at(2) }])
  const after = await readConsumer(pool, holding.id)

  const again = await moveCursors(pool, [{ ...holding, ...at(2) }])
  const earlier = await moveCursors(pool, [{ ...holding, ...at(1) }])

  t.same([again, earlier], [[], []])
  t.match(after, { cursor: at(2), inFlight: 1 })
  t.same(await readConsumer(pool, holding.id), after)
})

t.test(
  'a lease that has expired is renewed while nobody else has claimed it, and lost afterwards',
  async t => {
    const { pool, create, claim, expire } = await startStore(t)
    const holding = claimed(await claim((await create()).id))
    await expire(holding.id)
    const expired = await readConsumer(pool, holding.id)

    const renewed = await renewLeases(pool, NODE, [holding], LEASE_MS)
    const whileHeld = await claim(holding.id, 'bob')
    await expire(holding.id)
    const next = claimed(await claim(holding.id, 'bob', { node: OTHER_NODE }))
    const lost = await renewLeases(pool, NODE, [holding], LEASE_MS)

    t.equal(expired?.held, undefined)
    t.same(renewed, [])
    t.equal(whileHeld, undefined)
    t.match(lost, [{ id: holding.id, epoch: 1, reason: 'taken-over' }])
    t.match(next, { epoch: 2, held: { principal: 'bob', node: OTHER_NODE } })
    t.same(await renewLeases(pool, OTHER_NODE, [next], LEASE_MS), [])
  },
)

t.test('a holder learns why it has lost a consumer', async t => {
  const { pool, create, claim, at, streamId } = await startStore(t, 1)
  const within = <T>(work: Parameters<typeof inWorkspace<T>>[2]) => inWorkspace(pool, WORKSPACE, work)
  const holdings = await Promise.all(
    [1, 2, 3, 4, 5].map(async () => claimed(await claim((await create()).id))),
  )
  const [sought, changed, paused, deleted, kept] = holdings.map(({ id }) => id)
  if (!sought || !changed || !paused || !deleted || !kept) throw new Error('One was not claimed.')

  await within(client => seekConsumer(client, WORKSPACE, sought, streamId, at(1)))
  await within(client => fenceConsumer(client, WORKSPACE, changed, 'changed'))
  await within(client => fenceConsumer(client, WORKSPACE, paused, 'paused', false))
  await within(client => removeConsumer(client, WORKSPACE, deleted))
  const lost = await renewLeases(pool, NODE, holdings, LEASE_MS)
  const refused = await moveCursors(
    pool,
    holdings.map(holding => ({ ...holding, ...at(1) })),
  )

  t.same(Object.fromEntries(lost.map(({ id, reason }) => [id, reason])), {
    [sought]: 'sought',
    [changed]: 'changed',
    [paused]: 'paused',
    [deleted]: 'deleted',
  })
  t.same(refused.map(idOf).sort(), [sought, changed, paused, deleted].sort())
  t.match(await readConsumer(pool, sought), { cursor: at(1), held: undefined, epoch: 2 })
  t.equal(await claim(paused), undefined, 'a consumer that is not active cannot be claimed')
})

t.test(
  'after a release the next claim waits for no lease, and acknowledgements count until then',
  async t => {
    const { pool, create, claim, at } = await startStore(t, 2)
    const holding = claimed(await claim((await create()).id))

    await releaseLeases(pool, OTHER_NODE, [holding])
    const byAnother = await readConsumer(pool, holding.id)
    await releaseLeases(pool, NODE, [holding])
    const late = await moveCursors(pool, [{ ...holding, ...at(1) }])
    const next = claimed(await claim(holding.id, 'bob'))
    await releaseLeases(pool, NODE, [holding])

    t.ok(byAnother?.held, 'a process cannot release what another one holds')
    t.same(late, [])
    t.match(next, { cursor: at(1), epoch: 2 })
    t.match(
      await readConsumer(pool, holding.id),
      { held: { principal: 'bob' } },
      'an old claim releases nothing',
    )
  },
)

t.test('a batch of cursors moves or rolls back with the transaction of the caller', async t => {
  const { pool, create, claim, at } = await startStore(t, 3)
  const holdings = await Promise.all([1, 2, 3].map(async () => claimed(await claim((await create()).id))))
  const [first, second, third] = holdings
  if (!first || !second || !third) throw new Error('One was not claimed.')
  await claim(second.id, 'bob', { takeover: true })
  const places = [
    { ...first, ...at(3) },
    { ...second, ...at(3) },
    { ...third, ...at(1) },
  ]
  const cursors = async () =>
    Promise.all(holdings.map(async ({ id }) => (await readConsumer(pool, id))?.cursor.position))

  const failed = inTransaction(pool, async client => {
    await moveCursors(client, places)
    throw new Error('The attempts were not stored.')
  })
  await t.rejects(failed, { message: 'The attempts were not stored.' })
  const before = await cursors()
  const refused = await inTransaction(pool, client => moveCursors(client, places))

  t.same(before, [0, 0, 0])
  t.match(refused, [{ id: second.id, epoch: 1 }])
  t.same(await cursors(), [3, 0, 1])
})

t.test('batches in opposite orders wait for each other and do not deadlock', async t => {
  const { pool, create, claim, at } = await startStore(t, 1)
  const holdings = await Promise.all(
    [1, 2, 3, 4, 5].map(async () => claimed(await claim((await create()).id))),
  )
  const places = holdings
    .map(holding => ({ ...holding, ...at(1) }))
    .sort((one, other) => (one.id < other.id ? -1 : 1))
  const blocker = await pool.connect()
  await blocker.query('begin')
  await blocker.query('select from sluice.consumers where id = $1 for update', [places[2]?.id])

  const both = Promise.all([moveCursors(pool, places), moveCursors(pool, places.toReversed())])
  const waiting = async () => {
    const { rows } = await pool.query<{ count: number }>(
      `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return rows[0]?.count === 2
  }
  await until('both wait', waiting).finally(() => blocker.query('rollback'))
  blocker.release()

  t.same(await both, [[], []])
})

t.test('any free webhooks can be claimed in a batch, each by one of two processes', async t => {
  const { pool, create } = await startStore(t)
  for (let n = 0; n < 20; n += 1) await create({ kind: 'webhook', createdBy: 'ada' })
  await create({ kind: 'webhook', active: false })
  await create()
  const claiming = (node: string) =>
    claimConsumers(pool, { kind: 'webhook', node, holder: null, limit: 15, leaseMs: LEASE_MS })

  const both = (await Promise.all([claiming(NODE), claiming(OTHER_NODE)])).flat()
  const rest = await claiming(NODE)

  t.equal(new Set([...both, ...rest].map(idOf)).size, 20)
  t.equal(both.length + rest.length, 20)
  t.ok(both.every(({ kind, epoch }) => kind === 'webhook' && epoch === 1))
})

t.test('a reset is noted for the present holder only, and publishes the first loss', async t => {
  const { pool, create, claim, at, streamId } = await startStore(t, 3)
  const lostCursor = { ...at(3), eventId: randomUUID() }
  const { id } = await create({ cursor: lostCursor })
  const first = claimed(await claim(id))
  const second = claimed(await claim(id, 'bob', { takeover: true }))

  const old = await resetCursor(pool, first, streamId, at(1))
  const lost = await resetCursor(pool, second, streamId, at(1))
  const again = await resetCursor(pool, second, streamId, at(2))

  t.equal(old, undefined)
  const reset = (position: number) => ({ stream: streamId, to: at(position) })
  t.match(lost, {
    firstLoss: true,
    consumer: { cursor: lostCursor, reset: reset(1), lostAt: Date, handed: null },
  })
  t.match(again, { firstLoss: false, consumer: { cursor: lostCursor, reset: reset(2) } })
  const { rows } = await pool.query(`select type, way, data from sluice.events where "position" > 3`)
  t.same(
    rows.map(({ data, ...row }) => ({ ...row, data: JSON.parse(data) })),
    [
      {
        type: 'consumer.lagging',
        way: 'system',
        data: { consumer: id, kind: 'pull', stream: 'feed', lag_events: 0, lag_seconds: 0, lost: true },
      },
    ],
  )
})

t.test('a reset that waits is settled by its place or a later one, and given up by a seek', async t => {
  const { pool, create, claim, at, streamId } = await startStore(t, 5)
  const lostCursor = { ...at(4), eventId: randomUUID() }
  const row = async (position: number | undefined, act?: (claim: Consumer) => Promise<unknown>) => {
    const { id } = await create({ cursor: lostCursor })
    const holding = claimed(await claim(id))
    await resetCursor(pool, holding, streamId, at(2))
    if (position !== undefined) await moveCursors(pool, [{ ...holding, ...at(position) }])
    await act?.(holding)
    return (await readConsumers(pool, [id]))[0]
  }

  t.match(await row(1), { cursor: lostCursor, reset: { to: at(2) } }, 'an earlier place')
  t.match(await row(2), { cursor: at(2), reset: null }, 'its place')
  t.match(await row(3), { cursor: at(3), reset: null }, 'a later place')
  const sought = await row(undefined, ({ id }) =>
    inWorkspace(pool, WORKSPACE, client => seekConsumer(client, WORKSPACE, id, streamId, at(1))),
  )
  t.match(sought, { cursor: at(1), reset: null, lostAt: null }, 'a seek')
  const { id } = await create({ cursor: at(1) })
  const early = claimed(await claim(id))
  await moveCursors(pool, [{ ...early, ...at(3) }])
  const late = await resetCursor(pool, early, streamId, at(2))
  t.match(late, { consumer: { cursor: at(3), reset: null } }, 'acknowledged before it was noted')
  const hook = claimed(await claimAs('webhook'))
  const { consumer } = (await resetCursor(pool, hook, streamId, at(2))) ?? {}
  t.match(consumer, { cursor: at(2), reset: null }, 'a webhook')

  async function claimAs(kind: 'webhook') {
    const made = await create({ kind, cursor: at(4) })
    return (
      await claimConsumers(pool, { kind, node: NODE, holder: null, ids: [made.id], leaseMs: LEASE_MS })
    )[0]
  }
})

function claimed(consumer: Consumer | undefined): Consumer {
  if (!consumer) throw new Error('The consumer was not claimed.')
  return consumer
}
