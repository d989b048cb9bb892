/** The wakes of SQL publishers in a cluster of gateway processes on NATS or Redis, when the process that passes them on is killed. */
import t from 'tap'
import { BROKER_KINDS, environmentFor, startBroker, withoutBroker } from '../harness/broker-server.js'
import { createDatabase } from '../harness/database.js'
import { openStream } from '../harness/event-stream.js'
import { as } from '../harness/gateway.js'
import { type GatewayProcess, startProcess } from '../harness/process.js'
import { until } from '../harness/until.js'

for (const kind of BROKER_KINDS) {
  t.test(
    `${kind}: after a kill -9 of the relay another gateway is the relay`,
    {
      skip: withoutBroker(kind),
    },
    async t => {
      const server = await startBroker(t, kind)
      const { pool, url: databaseUrl } = await createDatabase(t)
      const env = { ...environmentFor(server), BUS_NOTIFY: 'on' }
      const processes = await Promise.all([1, 2, 3].map(() => startProcess(t, { databaseUrl, env })))
      await until('one is the relay', async () => (await relaysOf(processes)).length === 1)
      const [relay] = await relaysOf(processes)
      const others = processes.filter(each => each !== relay)
      const clients = await Promise.all(
        others.map(({ url }) => openStream(t, `${url}/api/events`, { headers: as('viewer') })),
      )
      await Promise.all(clients.map(client => client.until(1)))
      const publishSql = () => pool.query(`select sluice.publish('acme', 'feed', 'thing.made', '{}')`)

      await publishSql()
      await Promise.all(clients.map(client => client.until(1, 'thing.made')))
      await relay?.kill()
      // By the poll, if not yet by a wake.
      await publishSql()
      await Promise.all(clients.map(client => client.until(2, 'thing.made')))
      await until('another one is the relay', async () => (await relaysOf(others)).length === 1)

      const [successor] = await relaysOf(others)
      const bystander = others.find(each => each !== successor)
      const before = await figure(bystander, 'sluice_wakes_received_total')
      await publishSql()
      await Promise.all(clients.map(client => client.until(3, 'thing.made')))
      await until('a wake at the other one', async () => {
        return (await figure(bystander, 'sluice_wakes_received_total')) > before
      })
      const { rows } = await pool.query<{ listening: number }>(
        `select count(*)::integer as listening from pg_stat_activity
        where datname = current_database() and application_name = 'sluice listen'`,
      )
      t.strictSame(rows, [{ listening: 1 }])
      const ids = clients.map(({ messages }) =>
        messages.flatMap(({ event, id = '' }) => (event === 'thing.made' ? [id.split('.')[0]] : [])),
      )
      t.strictSame(ids, [
        ['1', '2', '3'],
        ['1', '2', '3'],
      ])
    },
  )
}

async function relaysOf(processes: readonly GatewayProcess[]): Promise<GatewayProcess[]> {
  const relaying = await Promise.all(processes.map(each => figure(each, 'sluice_bus_relays')))
  return processes.filter((_, index) => relaying[index] === 1)
}

async function figure(process: GatewayProcess | undefined, name: string): Promise<number> {
  const response = await fetch(`${process?.url}/metrics`, { headers: as('admin') })
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await response.text())?.[1])
}
