/** Nodes on one database, each as a process has one: rows, sums, and what becomes of a node that stops beating. */
import pg from 'pg'
import t, { type Test } from 'tap'
import { Cluster, type NodeFigures } from '../../../src/cluster/cluster.js'
import { createPool, type Database } from '../../../src/database/pool.js'
import type { StreamId } from '../../../src/log/event.js'
import { createDatabase } from '../../harness/database.js'
import { silent } from '../../harness/hub.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { until } from '../../harness/until.js'

const EVERY_MS = 20
/** Less than the 10 s after which others remove a row. */
const LEFT_MS = 5_000
const [ONE, TWO] = [1, 2] as StreamId[] as [StreamId, StreamId]

t.test('each node knows the sum over all, exact for itself, and the clients of a job elsewhere', async t => {
  const { pool } = await createDatabase(t)
  const [here, there] = [node(t, pool), node(t, pool)]
  const third = node(t, pool)
  await until('three nodes', () => [here, there, third].every(each => each.cluster.figures()?.nodes === 3))

  there.set({ feed: 2, job: 3 }, [
    [ONE, 1],
    [TWO, 2],
  ])
  third.set({ job: 1 }, [[TWO, 1]])
  await until('their clients', () => here.cluster.figures()?.clients.total === 6)
  here.set({ feed: 10 }, [[ONE, 5]])

  t.match(here.cluster.figures(), { nodes: 3, clients: { total: 16, byKind: { feed: 12, job: 4 } } })
  t.strictSame([await elsewhere(here, ONE), await elsewhere(here, TWO)], [1, 3])
  await until('its own', async () => (await elsewhere(there, ONE)) === 5)

  there.set({ feed: 2 }, [])
  await until('they have left', async () => (await elsewhere(here, TWO)) === 1)
  t.equal(await elsewhere(third, TWO), 0)
})

t.test('a node that stops removes its row; the row of one that dies is removed after 10 s', async t => {
  const { pool } = await createDatabase(t)
  const [here, stopping] = [node(t, pool), node(t, pool)]
  stopping.set({ job: 1 }, [[ONE, 1]])
  await until('two nodes', () => here.cluster.figures()?.clients.total === 1)

  await stopping.cluster.close()
  // On a busy machine closing has not waited for it.
  const isGone = async () => (await pool.query('select from sluice.nodes')).rowCount === 1
  await until('its row is gone', isGone, LEFT_MS)
  t.equal(await elsewhere(here, ONE), 0)

  const insert = (age: string) =>
    pool.query(
      `with dead as (
         insert into sluice.nodes
         select gen_random_uuid(), 'dead', '', 'normal', now(), now() - $1::interval, 0, 4, '{"job":4}' returning id)
       insert into sluice.node_streams select 1, id, 4 from dead`,
      [age],
    )
  await insert('4 seconds')
  await until('it counts', () => here.cluster.figures()?.clients.total === 4)
  t.equal(await elsewhere(here, ONE), 4)
  await until('its time is over', () => here.cluster.figures()?.clients.total === 0)
  t.equal(await elsewhere(here, ONE), 0)
})

t.test('rows that the database has lost are there again after the next heartbeat', async t => {
  const { pool } = await createDatabase(t)
  const [here, there] = [node(t, pool), node(t, pool)]
  there.set({ job: 2 }, [[ONE, 2]])
  await until('two nodes', async () => (await elsewhere(here, ONE)) === 2)

  await pool.query('truncate sluice.nodes cascade')

  await until('they are back', async () => (await elsewhere(here, ONE)) === 2)
  await until('both', () => here.cluster.figures()?.nodes === 2)
})

t.test('counts that changed while the database was away are right afterwards', async t => {
  const { pool, url } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  const through = createPool(proxy.url, { max: 1, name: 'test', onError: () => undefined })
  t.teardown(() => through.end())
  const [here, cutOff] = [node(t, pool), node(t, through)]
  cutOff.set({ job: 3 }, [
    [ONE, 1],
    [TWO, 2],
  ])
  await until('two nodes', () => here.cluster.figures()?.clients.total === 3)
  await until('both know', () => cutOff.cluster.figures()?.nodes === 2)

  await proxy.unplug()
  cutOff.set({ job: 4 }, [[TWO, 4]])
  const age = () => cutOff.cluster.figures()?.ageMs ?? 0
  await until('its figures are old', () => age() > 50 * EVERY_MS)
  t.equal(cutOff.cluster.figures()?.nodes, 2, 'it says what it last knew')
  await proxy.plugIn()

  await until('it is back', () => age() < 50 * EVERY_MS)
  await until('the new counts', async () => (await elsewhere(here, TWO)) === 4)
  t.equal(await elsewhere(here, ONE), 0)
})

t.test('a process that is no member has no row, and counts itself alone', async t => {
  const { pool } = await createDatabase(t)
  const here = node(t, pool)
  here.set({ job: 1 }, [[ONE, 1]])
  await until('its row', async () => (await pool.query('select from sluice.node_streams')).rows.length === 1)
  const outside = node(t, pool, false)

  t.equal(await elsewhere(outside, ONE), 0)
  t.equal(outside.cluster.figures(), undefined)
  await outside.cluster.close()
  t.equal((await pool.query('select from sluice.nodes')).rows.length, 1)
})

t.test('a process finds itself alone only while nobody else can listen', async t => {
  const { pool, url } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  const through = createPool(proxy.url, { max: 1, name: 'test', onError: () => undefined })
  t.teardown(() => through.end())
  const one = node(t, through)
  t.equal(one.cluster.isAlone, false, 'before the first answer')
  await until('it is alone', () => one.cluster.isAlone)

  const two = node(t, pool)
  await until('it is not', () => !one.cluster.isAlone)
  await until('nor is the other', () => two.cluster.figures()?.nodes === 2)
  t.equal(two.cluster.isAlone, false)
  await two.cluster.close()
  await until('it is alone again', () => one.cluster.isAlone)

  const listeners = await Promise.all(
    ['sluice listen', 'sluice listen'].map(async application_name => {
      const client = new pg.Client({ connectionString: url, application_name })
      await client.connect()
      return client
    }),
  )
  await until('an older process listens', () => !one.cluster.isAlone)
  for (const listener of listeners) await listener.end()
  await until('it has gone', () => one.cluster.isAlone)

  await proxy.unplug()
  await until('what it knows is out of date', () => !one.cluster.isAlone)
})

t.test(
  'a process may be unknown to others until they all have seen its row, and after it has been cut off',
  async t => {
    const { pool, url } = await createDatabase(t)
    const proxy = await startProxy(t, url)
    const through = createPool(proxy.url, { max: 1, name: 'test', onError: () => undefined })
    t.teardown(() => through.end())
    const here = node(t, through)
    await until('its row', () => here.cluster.figures() !== undefined)
    t.equal(here.cluster.mayBeUnknown, true)
    await until('all have seen it', () => !here.cluster.mayBeUnknown)

    await pool.query('truncate sluice.nodes cascade')
    await until('its row was lost', () => here.cluster.mayBeUnknown)
    await until('all have seen the new one', () => !here.cluster.mayBeUnknown)

    await proxy.unplug()
    await until('others may have removed its row', () => here.cluster.mayBeUnknown)
    t.equal(node(t, pool, false).cluster.mayBeUnknown, true, 'a process without a row always is')
  },
)

t.test('a node of an older version is counted beside the others, and they by it', async t => {
  const { pool } = await createDatabase(t)
  const here = node(t, pool)
  here.set({ feed: 2 }, [[ONE, 2]])
  await until('its row', () => here.cluster.figures() !== undefined)
  const old = '00000000-0000-0000-0000-000000000000'
  const beat = () =>
    pool.query(
      `select known, other_nodes, other_clients ->> 'feed' as feed, listeners from sluice.beat(
         $1, 'old', '0.0.1', 'normal', 0, 0, 3, '{"job":3}', true, array[$2::bigint], array[3])`,
      [old, TWO],
    )

  await beat()
  await until('the new node knows it', () => here.cluster.figures()?.clients.total === 5)
  t.equal(await elsewhere(here, TWO), 3)
  await until('the old one knows the new one', async () => (await beat()).rows[0]?.feed === '2')
  t.strictSame((await beat()).rows, [{ known: true, other_nodes: 1, feed: '2', listeners: 0 }])
})

t.test('the role of requests reads none of the tables', async t => {
  const { pool } = await createDatabase(t)
  const { rows } = await pool.query<{ may: boolean | null }>(
    `select bool_or(has_table_privilege(r.oid, 'sluice.' || name, 'select, insert, update, delete')) as may
       from pg_roles r, unnest('{nodes,node_streams,node_principals,client_questions,client_answers,presence,present}'::text[]) name where r.rolname = 'sluice_request'`,
  )
  t.not(rows[0]?.may, true)
})

function node(t: Test, database: Database, member = true) {
  let figures: NodeFigures = figuresOf({}, [])
  const cluster = new Cluster({ database, logger: silent, everyMs: EVERY_MS, member, figures: () => figures })
  t.teardown(() => cluster.close())
  cluster.start()
  return {
    cluster,
    set(byKind: Record<string, number>, jobs: readonly (readonly [StreamId, number])[]) {
      figures = figuresOf(byKind, jobs)
    },
  }
}

async function elsewhere({ cluster }: ReturnType<typeof node>, stream: StreamId): Promise<number> {
  return (await cluster.clientsElsewhere(stream)).clients
}

function figuresOf(
  byKind: Record<string, number>,
  byStream: readonly (readonly [StreamId, number])[],
): NodeFigures {
  const total = Object.values(byKind).reduce((sum, count) => sum + count, 0)
  const streams = byStream.map(([id, clients]) => ({ id, workspace: 'acme', clients }))
  return {
    mode: 'normal',
    lagMs: 0,
    clients: { total, byKind },
    streams,
    bus: { kind: 'postgres', status: 'listening' },
  }
}
