/** Streams that are made later are found, also one that a long transaction commits behind newer ones. */
import t from 'tap'
import { readMark } from '../../../../src/durable-streams/subscriptions/growth-rows.js'
import { StreamDiscovery } from '../../../../src/durable-streams/subscriptions/stream-discovery.js'
import {
  getSubscription,
  putSubscription,
} from '../../../../src/durable-streams/subscriptions/subscription-administration.js'
import { createDatabase } from '../../../harness/database.js'

const ORIGIN = { workspace: 'acme', principal: 'ada', address: null, requestId: null }
const CONFIG = {
  type: 'webhook' as const,
  pattern: 'events/*',
  webhook: { url: 'https://example.com/hook' },
}
const APPEND = `select from sluice.append('acme', $1, 'chunk', '{"json": 1}')`

t.test('a stream that a long transaction commits behind newer ones is found', async t => {
  const { pool: database } = await createDatabase(t)
  const services = { database, policy: { allowed: [], httpsOnly: true }, keyId: 'k' }
  await putSubscription(services, ORIGIN, 'sub', CONFIG, 'https://x')
  const discovery = new StreamDiscovery(database)
  const found = async () => (await getSubscription(services, 'acme', 'sub')).streams.map(({ path }) => path)
  const slow = await database.connect()
  await slow.query('begin')
  await slow.query(APPEND, ['events/slow'])
  await database.query(APPEND, ['events/quick'])
  await database.query(APPEND, ['other/quick'])

  // Ten seconds by its clock, in which the mark must stay.
  const before = await readMark(database)
  for (const now of [0, 5_000, 10_000]) await discovery.look(now)
  const during = [await found(), (await readMark(database)) === before]
  await slow.query('commit')
  slow.release()
  await discovery.look(20_000)
  await discovery.look(30_000)

  t.strictSame(during, [['events/quick'], true])
  t.strictSame(await found(), ['events/quick', 'events/slow'])
  await discovery.look(40_000)
  t.ok((await readMark(database)) > before, 'the mark has moved')
})

t.test('a stream that was deleted and made again is linked at its beginning', async t => {
  const { pool: database } = await createDatabase(t)
  const services = { database, policy: { allowed: [], httpsOnly: true }, keyId: 'k' }
  await database.query(APPEND, ['events/a'])
  await putSubscription(services, ORIGIN, 'sub', CONFIG, 'https://x')
  const cursors = async () =>
    (await getSubscription(services, 'acme', 'sub')).streams.map(({ acked_offset }) => Number(acked_offset))
  const first = await cursors()

  await database.query(`select sluice.drop_stream(s) from sluice.streams s where s.name = 'events/a'`)
  await database.query(APPEND, ['events/a'])
  const due = await new StreamDiscovery(database).look(0)

  t.strictSame(first, [1])
  t.strictSame(await cursors(), [0])
  t.equal(due, 1)
})

t.test('a stream that gets the number of a lost one is found', async t => {
  const { pool: database } = await createDatabase(t)
  const services = { database, policy: { allowed: [], httpsOnly: true }, keyId: 'k' }
  await database.query(APPEND, ['other/first'])
  await putSubscription(services, ORIGIN, 'sub', CONFIG, 'https://x')
  const discovery = new StreamDiscovery(database)
  await discovery.look(0)
  const marked = await readMark(database)
  for (const name of ['events/a', 'events/b', 'events/c']) await database.query(APPEND, [name])
  for (const now of [1_000, 5_000, 10_000]) await discovery.look(now)
  const moved = await readMark(database)
  await database.query(APPEND, ['events/seen'])
  await discovery.look(11_000)

  // What a restored database has.
  await database.query(`
    delete from sluice.events e using sluice.streams s where s.id = e.stream_id and s.name like 'events/%';
    delete from sluice.durable_subscription_streams;
    delete from sluice.streams where name like 'events/%';
    update sluice.durable_subscription_marks set judged = ${marked};
    select setval('sluice.streams_id_seq', (select max(id) from sluice.streams))`)
  await database.query(APPEND, ['events/new'])
  await discovery.look(20_000)
  const found = async () => (await getSubscription(services, 'acme', 'sub')).streams.map(({ path }) => path)
  t.strictSame(await found(), ['events/new'])
  for (const now of [30_000, 40_000]) await discovery.look(now)
  await database.query(APPEND, ['events/newer'])
  await discovery.glance()

  t.ok(moved > marked, 'the mark had moved')
  t.strictSame(await found(), ['events/new', 'events/newer'])
  t.ok((await readMark(database)) < moved, 'the mark knows only numbers that the database has')
})
