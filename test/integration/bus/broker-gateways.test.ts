/** Several gateways on one database whose wakes go through the real NATS or Redis. */
import t, { type Test } from 'tap'
import {
  BROKER_KINDS,
  type BrokerServer,
  environmentFor,
  startBroker,
  withoutBroker,
} from '../../harness/broker-server.js'
import { createDatabase } from '../../harness/database.js'
import { type EventStream, openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { startTcpProxy } from '../../harness/tcp-proxy.js'
import { until } from '../../harness/until.js'

// They mostly wait.
t.jobs = BROKER_KINDS.length

for (const kind of BROKER_KINDS) {
  t.test(kind, { skip: withoutBroker(kind), buffered: true }, async t => {
    const server = await startBroker(t, kind)

    t.test(
      'events from HTTP and from SQL reach the clients of all gateways by wakes alone, also after the relay has stopped',
      async t => {
        const { pool, url } = await createDatabase(t)
        const [gateways, [elsewhere]] = await Promise.all([
          startAll(t, server, url),
          createDatabase(t).then(other => startAll(t, server, other.url, 1)),
        ])
        const clients = await Promise.all(gateways.map(gateway => follow(t, gateway)))
        await until('one passes on', () => relays(gateways).length === 1)
        // A gateway that takes itself for the only one sends no wakes, which the poll of a new one makes up for.
        await until('all know each other', () =>
          gateways.every(({ app }) => app.cluster.figures()?.nodes === gateways.length),
        )
        // Its own relay wakes it once.
        await until('one elsewhere does', () => elsewhere?.app.bus.isRelay ?? false)
        // From here on only wakes can find an event.
        for (const { app } of gateways) app.tailer.poll.stop()
        const wakes = elsewhere?.app.tailer.tally.wakes

        const ids: string[] = []
        for (const gateway of gateways)
          ids.push(...(await publish(gateway, { type: 'thing.made', data: {} })))
        await Promise.all(
          clients.map(client => client.until(messages => seen(messages).length >= ids.length)),
        )
        await pool.query(`select sluice.publish('acme', 'feed', 'thing.made', '{}')`)
        await Promise.all(clients.map(client => client.until(messages => seen(messages).length > ids.length)))

        const [first = [], ...others] = clients.map(({ messages }) => seen(messages))
        t.strictSame(first.slice(0, -1), ids)
        t.strictSame(others, [first, first])
        const { rows } = await pool.query<{ name: string }>(
          `select application_name as name from pg_stat_activity
          where datname = current_database() and application_name in ('sluice listen', 'sluice notify')`,
        )
        t.strictSame(rows, [{ name: 'sluice listen' }], 'one gateway listens, and none notifies')
        t.equal(elsewhere?.app.tailer.tally.wakes, wakes, 'gateways of another database hear nothing')

        const [leaving] = relays(gateways)
        const staying = gateways.filter(gateway => gateway !== leaving)
        await leaving?.close()
        await until('another one passes on', () => relays(staying).length === 1)
        await pool.query(`select sluice.publish('acme', 'feed', 'thing.made', '{}')`)
        for (const [index, client] of clients.entries())
          if (gateways[index] !== leaving)
            await client.until(messages => seen(messages).length > ids.length + 1)
      },
    )

    t.test(
      'a relay that is cut off from the broker leaves its work to another, and its clients miss nothing',
      async t => {
        const proxy = await startTcpProxy(t, server.port)
        const { pool, url } = await createDatabase(t)
        const through = { kind, url: server.url.replace(/:\d+$/, `:${proxy.port}`) }
        const cut = await startAll(t, through, url, 1)
        await until('it passes on', () => relays(cut).length === 1)
        const others = await startAll(t, server, url, 1)
        const gateways = [...cut, ...others]
        const clients = await Promise.all(gateways.map(gateway => follow(t, gateway)))

        await proxy.unplug()
        await until('the other one passes on', () => relays(gateways)[0] === others[0])

        const ids: string[] = []
        for (const gateway of gateways)
          ids.push(...(await publish(gateway, { type: 'thing.made', data: {} })))
        await pool.query(`select sluice.publish('acme', 'feed', 'thing.made', '{}')`)
        for (const client of clients) {
          await client.until(messages => seen(messages).length > ids.length)
          t.strictSame(seen(client.messages).slice(0, -1), ids)
        }
        t.strictSame(await statesOf(gateways), ['down', 'listening'])
      },
    )

    t.test('the broker is killed and comes back while events are published: none is lost', async t => {
      const own = await startBroker(t, kind)
      const { pool, url } = await createDatabase(t)
      const gateways = await startAll(t, own, url)
      const clients = await Promise.all(gateways.map(gateway => follow(t, gateway)))
      let stop = false
      const publishing = (async () => {
        for (let turn = 0; !stop; turn += 1) {
          const [gateway = gateways[0]] = [gateways[turn % 4]]
          if (turn % 4 < 3 && gateway) await publish(gateway, { type: 'thing.made', data: { turn } })
          else await pool.query(`select sluice.publish('acme', 'feed', 'thing.made', '{}')`)
        }
      })()

      for (let time = 0; time < 2; time += 1) {
        await own.kill()
        await until('all say so', async () => (await statesOf(gateways)).every(bus => bus === 'down'))
        await own.start()
        await until('all listen', async () => (await statesOf(gateways)).every(bus => bus === 'listening'))
      }
      stop = true
      await publishing

      const { rows } = await pool.query<{ position: number }>(
        `select position from sluice.events join sluice.streams s on s.id = stream_id
          where workspace = 'acme' and name = 'feed' and type = 'thing.made' order by position`,
      )
      const positions = rows.map(({ position }) => String(position))
      for (const client of clients) {
        await client.until(messages => seen(messages).length >= positions.length)
        t.strictSame(
          seen(client.messages).map(id => id.split('.')[0]),
          positions,
        )
      }
    })
  })
}

async function startAll(
  t: Test,
  server: Pick<BrokerServer, 'kind' | 'url'>,
  databaseUrl: string,
  count = 3,
): Promise<Gateway[]> {
  const env = { ...environmentFor(server), BUS_NOTIFY: 'on' }
  const gateways = await Promise.all(
    Array.from({ length: count }, () => startGateway(t, { databaseUrl, env })),
  )
  await until('all listen', () => gateways.every(({ app }) => app.bus.status === 'listening'))
  if (count > 1) await until('none is alone', () => gateways.every(({ app }) => !app.cluster.isAlone))
  return gateways
}

function relays(gateways: readonly Gateway[]): Gateway[] {
  return gateways.filter(({ app }) => app.bus.isRelay)
}

async function follow(t: Test, gateway: Gateway): Promise<EventStream> {
  const stream = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  await stream.until(1)
  return stream
}

function seen(messages: EventStream['messages']): string[] {
  return messages.flatMap(({ event, id = '' }) => (event === 'thing.made' ? [id] : []))
}

async function statesOf(gateways: readonly Gateway[]): Promise<string[]> {
  const answers = await Promise.all(gateways.map(({ url }) => fetch(`${url}/ready`)))
  const states = await Promise.all(answers.map(answer => answer.json() as Promise<{ bus: string }>))
  return states.map(({ bus }) => bus)
}
