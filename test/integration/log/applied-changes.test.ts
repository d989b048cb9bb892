/** Changes that logical replication applies to a watched table become events, in whichever way they are applied. */
import t from 'tap'
import { migrate } from '../../../src/database/migrate.js'
import { preparePostgres } from '../../harness/postgres.js'
import { execute, withDatabase } from '../../harness/server.js'
import { until } from '../../harness/until.js'

const TABLES = `create table public.doors (id int primary key); create table public.keys (id int primary key)`

t.test('a prepared transaction, and the tables of an owner whom the subscription does not trust', async t => {
  const server = await preparePostgres(t, { wal_level: 'logical', max_prepared_transactions: '5' })
  await server.start()
  await execute(server.url, 'create database copy')
  await execute(server.url, 'create role sluice_tenant')
  const copy = withDatabase(server.url, 'copy')
  await migrate(copy)
  const { port } = new URL(server.url)
  await execute(server.url, `${TABLES}; create publication everything for all tables`)
  await execute(server.url, `select pg_create_logical_replication_slot('copy', 'pgoutput', false, true)`)
  await execute(
    copy,
    `${TABLES};
     alter table public.keys owner to sluice_tenant;
     select sluice.watch('public.doors', 'door', workspace => 'w', always => true);
     select sluice.watch('public.keys', 'key', workspace => 'w', always => true)`,
  )
  await execute(
    copy,
    `create subscription copy connection 'host=127.0.0.1 port=${port} user=postgres dbname=postgres'
       publication everything with (create_slot = false, slot_name = copy, two_phase = true, copy_data = false)`,
  )

  await execute(server.url, `begin; insert into doors values (1), (2); prepare transaction 'doors'`)
  await execute(server.url, `commit prepared 'doors'`)
  await execute(
    server.url,
    'begin; insert into doors values (3); insert into keys values (1), (2); delete from doors; commit',
  )
  await execute(server.url, 'truncate keys')

  const expected = [1, 2, 3].map(id => `door.created ${id}`).concat(['key.created 1', 'key.created 2'])
  expected.push(...[1, 2, 3].map(id => `door.deleted ${id}`), 'key.truncated null')
  await until(
    'the events of all changes are there',
    async () => (await eventsOf(copy)).length >= expected.length,
  )
  t.strictSame(await eventsOf(copy), expected)
})

async function eventsOf(url: string): Promise<string[]> {
  const { rows } = await execute(
    url,
    `select format('%s %s', type, coalesce(data ->> 'id', 'null')) as event from sluice.events order by stream_id, position`,
  )
  return rows.map(({ event }) => event)
}
