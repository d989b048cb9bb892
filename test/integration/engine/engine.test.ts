/** The engine, as a program without HTTP uses it: it publishes and follows, on a real database. */
import t, { type Test } from 'tap'
import { createEngine, type Engine, type EngineOptions } from '../../../src/engine/engine.js'
import type { FollowOptions } from '../../../src/hub/follow-events.js'
import { BROKER_KINDS, startBroker, withoutBroker } from '../../harness/broker-server.js'
import { createDatabase } from '../../harness/database.js'
import { appendEvents, replaceTail } from '../../harness/hub.js'
import { within } from '../../harness/patience.js'
import { startProxy } from '../../harness/postgres-proxy.js'

const PATIENCE_MS = 15_000
/** The most events that one read takes from the log. */
const PAGE_EVENTS = 500

for (const kind of ['postgres', 'memory', ...BROKER_KINDS] as const) {
  const broker = BROKER_KINDS.find(each => each === kind)
  const skip = broker !== undefined && withoutBroker(broker)
  t.test(`two engines on one database are processes of one log, with the bus ${kind}`, { skip }, async t => {
    const { url, pool } = await createDatabase(t)
    const bus = kind === 'postgres' || kind === 'memory' ? kind : { url: (await startBroker(t, kind)).url }
    const [one, two] = [await start(t, { database: url, bus }), await start(t, { database: url, bus })]
    const all = follow(two, { after: 'beginning' })
    const doors = follow(two, { after: 'beginning', types: 'door.*' })
    const third = follow(two, { after: 'beginning', where: 'data.n ge 2 or data.end exists' })

    const ids = await one.publish(
      ['door.opened', 'lamp.lit', 'door.closed'].map((type, n) => ({ type, data: { n } })),
      { workspace: 'acme' },
    )
    t.match(await all.take(3), [
      { kind: 'event', id: ids[0], position: 1, type: 'door.opened', data: { n: 0 }, at: Date },
      { id: ids[1], type: 'lamp.lit' },
      { id: ids[2], type: 'door.closed' },
    ])
    t.match(await doors.take(2), [{ id: ids[0] }, { id: ids[2] }])
    t.match(await third.take(1), [{ id: ids[2] }])
    t.match(await follow(one, { after: ids[0] }).take(2), [{ id: ids[1] }, { id: ids[2] }])

    const client = await pool.connect()
    for (const end of ['rollback', 'commit']) {
      await client.query('begin')
      await two.publishIn(client, { workspace: 'acme', type: 'door.locked', data: { end } })
      await client.query(end)
    }
    client.release()
    for (const each of [all, doors, third])
      t.match(await each.take(1), [{ position: 4, data: { end: 'commit' } }])
  })
}

t.test('a URL that is of no broker is refused', async t => {
  const { url } = await createDatabase(t)

  await t.rejects(
    createEngine({ database: url, bus: { url: 'amqp://localhost' } }),
    /bus.url is no URL of NATS/,
  )
})

t.test('a slow consumer holds one page and delays nobody; the log keeps the rest', async t => {
  const { url, pool } = await createDatabase(t)
  const engine = await start(t, { database: url })
  await appendEvents(pool, 3 * PAGE_EVENTS)
  const slow = follow(engine, { after: 'beginning' })
  await slow.take(1)

  const quick = await follow(engine, { after: 'beginning' }).take(3 * PAGE_EVENTS)
  t.strictSame(
    quick.map(heard => heard.kind === 'event' && heard.position),
    Array.from({ length: 3 * PAGE_EVENTS }, (_, n) => n + 1),
  )
  // What the slow consumer has not read yet is replaced, so it shows what it holds.
  const { ids } = await replaceTail(pool, 1, 2)

  const rest = await slow.take(PAGE_EVENTS)
  t.ok(rest.slice(0, -1).every(({ kind }) => kind === 'event'))
  t.match(rest.at(-1), { kind: 'reset', reason: 'history-lost', head: ids.at(-1) })
  const next = await engine.publish([{ type: 'door.opened', data: {} }], { workspace: 'acme' })
  t.match(await slow.take(1), [{ kind: 'event', id: next[0] }], 'it goes on after the reset')
})

t.test(
  'closing ends what is followed: waiting, between two events, and while the database is away',
  async t => {
    const { url, pool } = await createDatabase(t)
    const proxy = await startProxy(t, url)
    const engine = await start(t, { database: proxy.url })
    await appendEvents(pool, 3)
    const open = [
      follow(engine, { after: 'beginning' }),
      follow(engine, { after: 'beginning', types: 'door.*' }),
    ] as const
    await open[0].take(1)
    const waiting = open[1].next()

    await proxy.unplug()
    const lost = follow(engine, { workspace: 'globex' }).next()
    await t.rejects(engine.publish([{ type: 'door.opened', data: {} }], { workspace: 'acme' }), {
      code: 'database-unavailable',
    })
    await within(
      PATIENCE_MS,
      Promise.all([engine.close(), engine.close()]),
      () => 'The engine did not close.',
    )
    await engine.close()

    for (const next of [waiting, lost, open[0].next(), follow(engine).next()])
      t.strictSame(await next, { done: true, value: undefined })
    await t.rejects(engine.publish([{ type: 'door.opened', data: {} }], { workspace: 'acme' }))
  },
)

t.test('closing ends followers that are just starting', async t => {
  const { url } = await createDatabase(t)
  const engine = await start(t, { database: url })
  const starting = Array.from({ length: 50 }, (_, n) => follow(engine, { workspace: `of-${n}` }).next())

  await within(PATIENCE_MS, engine.close(), () => 'The engine did not close.')

  for (const next of starting) t.strictSame(await next, { done: true, value: undefined })
})

t.test('followers go on, and begin, where they were when the database has been away', async t => {
  const { url, pool } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  const engine = await start(t, { database: proxy.url })
  const feed = follow(engine, { after: 'beginning' })
  const { ids } = await appendEvents(pool, 1)
  await feed.take(1)

  await proxy.unplug()
  const begun = follow(engine, { after: ids[0] }).take(2)
  await appendEvents(pool, 2)
  await proxy.plugIn()

  for (const taken of [begun, feed.take(2)]) t.match(await taken, [{ position: 2 }, { position: 3 }])
})

t.test('an engine whose bus does not start leaves nothing open', async t => {
  const { url } = await createDatabase(t)
  let closed = 0
  const bus = {
    status: 'off' as const,
    start: () => Promise.reject(new Error('No broker.')),
    wake() {},
    async close() {
      closed += 1
    },
  }

  await t.rejects(createEngine({ database: url, bus, migrate: false }), { message: 'No broker.' })

  t.equal(closed, 1)
})

async function start(t: Test, options: EngineOptions): Promise<Engine> {
  const engine = await createEngine({ migrate: false, ...options })
  t.teardown(() => engine.close())
  return engine
}

function follow(engine: Engine, options: Partial<FollowOptions> = {}) {
  const events = engine.follow({ workspace: 'acme', ...options })
  const next = () => within(PATIENCE_MS, events.next(), () => 'Neither an event nor the end arrived.')
  return {
    next,
    async take(count: number) {
      const taken = []
      while (taken.length < count) {
        const { value } = await next()
        if (!value) throw new Error(`It ended after ${taken.length} of ${count} events.`)
        taken.push(value)
      }
      return taken
    },
  }
}
