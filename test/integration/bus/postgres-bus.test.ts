import t, { type Test } from 'tap'
import type { Wake } from '../../../src/bus/bus.js'
import { PostgresBus } from '../../../src/bus/postgres-bus.js'
import { busContract } from '../../../src/bus/testing/bus-contract.js'
import type { StreamId } from '../../../src/log/event.js'
import { createDatabase } from '../../harness/database.js'
import { patient } from '../../harness/patience.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { until } from '../../harness/until.js'

/** Shorter than in production, but long enough for a busy machine. */
const canary = { canaryEveryMs: 200, canaryDeadlineMs: patient(1_000) }

const contract = busContract(
  async (t: Test) => {
    const { url } = await createDatabase(t)
    return () => new PostgresBus({ url })
  },
  { patienceMs: () => patient(15_000) },
)
for (const { title, run } of contract) t.test(`postgres: ${title}`, t => t.resolves(run(t)))

t.test('a publish from SQL wakes all buses, and a publish that is rolled back wakes none', async t => {
  const { pool, url } = await createDatabase(t)
  const { heard } = await start(t, url)

  await pool.query('begin')
  await pool.query(`select sluice.publish('acme', 'undone', 'thing.made', '{}')`)
  await pool.query('rollback')
  await pool.query(`select sluice.publish('acme', 'feed', 'thing.made', '{}')`)

  const { rows } = await pool.query(`select id from sluice.streams where name = 'feed'`)
  await until('the wake', () => heard().length > 0)
  t.strictSame(heard(), [rows[0].id])
})

t.test('a process does not wake itself through the database', async t => {
  const { pool, url } = await createDatabase(t)
  const { bus, heard } = await start(t, url)

  bus.wake([7] as StreamId[])
  await pool.query(`select pg_notify('sluice_wake', ':8')`)

  await until('what came after', () => heard().includes(8))
  t.strictSame(heard(), [8])
})

t.test('no NOTIFY goes out while no other process listens, and the next one as soon as one does', async t => {
  const { url } = await createDatabase(t)
  const { bus } = await start(t, url)
  const { heard } = await start(t, url)
  let alone = true
  bus.restWhile(() => alone)
  await until('both listen', () => bus.status === 'listening')

  bus.wake([7] as StreamId[])
  alone = false
  bus.wake([8] as StreamId[])

  await until('the second one', () => heard().includes(8))
  t.strictSame(heard(), [8])
})

t.test('a payload that is not a wake is ignored', async t => {
  const { pool, url } = await createDatabase(t)
  const { wakes, heard } = await start(t, url)
  const before = wakes.length
  const foreign = ['', 'hello', ':-1', ':1,x', `:${'9'.repeat(7_998)}`, '{"streams":[1]}', 'x'.repeat(7_999)]

  for (const payload of foreign) await pool.query('select pg_notify($1, $2)', ['sluice_wake', payload])
  await pool.query(`select pg_notify('sluice_wake', ':7')`)

  await until('the one that is', () => heard().includes(7))
  t.strictSame(wakes.slice(before), [[7]])
})

t.test('a lost listener makes the bus down, and everything counts as woken when it is back', async t => {
  const { pool, url } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  const { bus, wakes, heard } = await start(t, proxy.url)
  const before = wakes.length
  await proxy.unplug()
  await until('it is down', () => bus.status === 'down')
  t.equal(wakes.length, before)

  await proxy.plugIn()

  await until('it listens again', () => bus.status === 'listening')
  t.strictSame(wakes.slice(before), ['all'])
  t.equal(bus.losses, 1)
  await pool.query(`select pg_notify('sluice_wake', ':7')`)
  await until('a wake', () => heard().includes(7))
})

t.test('a bus whose database is down starts, accepts wakes, and closes', async t => {
  const { url } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  await proxy.unplug()
  const bus = new PostgresBus({ url: proxy.url, ...canary })

  await bus.start(() => t.fail('nothing can come'))
  bus.wake([1] as StreamId[])

  t.equal(bus.status, 'down')
  await bus.close()
})

t.test('wakes that cannot be sent are dropped and counted, and later ones are sent', async t => {
  const { url } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  const { heard } = await start(t, url)
  const { bus } = await start(t, proxy.url)
  bus.wake([1] as StreamId[])
  await until('the first', () => heard().includes(1))
  t.equal(bus.losses, 0)

  await proxy.unplug()
  bus.wake([2] as StreamId[])
  await until('it is down', () => bus.status === 'down')
  await until('the dropped wake and the interrupted LISTEN are counted', () => bus.losses >= 2)
  await proxy.plugIn()

  await until('a later one', () => {
    bus.wake([3] as StreamId[])
    return heard().includes(3)
  })
})

t.test('closing does not wait for a connection that has gone silent', async t => {
  const { url } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  const { bus } = await start(t, proxy.url)
  bus.wake([1] as StreamId[])
  await until('both connections', () => proxy.open === 2)

  proxy.freeze()
  bus.wake([2] as StreamId[])
  await bus.close()

  await until('both are closed', () => proxy.open === 0)
})

async function start(t: Test, url: string) {
  const bus = new PostgresBus({ url, ...canary })
  const wakes: Wake[] = []
  t.teardown(() => bus.close())
  await bus.start(wake => wakes.push(wake))
  await until('it listens', () => bus.status === 'listening')
  return { bus, wakes, heard: (): number[] => wakes.flatMap(wake => (wake === 'all' ? [] : wake)) }
}
