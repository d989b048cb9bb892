/**
 * A failover to a standby that lacks the last events, as it happens to an operator: two servers with streaming
 * replication. The gateway's connections lead to the standby once it is promoted, but its listener stays on the old
 * primary, which lives on and sends it no wake for new events.
 */
import t, { type Test } from 'tap'
import { type EventStream, openStream } from '../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../harness/gateway.js'
import { startProxy } from '../harness/postgres-proxy.js'
import { startPair } from '../harness/replication.js'
import { execute } from '../harness/server.js'
import { until } from '../harness/until.js'

const CLIENTS = 60
const KEPT = 4

t.test('a client that has events which a failover loses gets a reset before anything else', async t => {
  const { primary, standby, replication } = await startPair(t)
  const database = await startProxy(t, primary.url)
  const gateway = await startGateway(t, {
    databaseUrl: database.url,
    env: { LISTEN_DATABASE_URL: primary.url, MAX_STREAMS_PER_PRINCIPAL: '0' },
  })
  const ids = await publish(gateway, Array.from({ length: KEPT }, thing))
  await until('the standby has them', async () => (await eventsIn(standby.url)) === KEPT)
  const quiet = await follow(t, gateway, 'types=next')
  await quiet.until(1)
  await replication.unplug()
  ids.push(...(await publish(gateway, [thing(), thing()])))
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, (_, n) => follow(t, gateway, n % 2 ? `from=${ids[n % 5]}` : 'last=6')),
  )
  for (const client of clients) await client.until(messages => messages.at(-1)?.id === ids.at(-1))

  await execute(standby.url, 'select pg_promote()')
  await execute(
    standby.url,
    `select sluice.publish('acme', 'feed', 'thing.made', '{}') from generate_series(1, 5)`,
  )
  database.databaseUrl = standby.url
  await database.unplug()
  await database.plugIn()

  for (const client of clients) {
    await client.until(1, 'reset')
    const messages = ofLog(client)
    const at = messages.findIndex(({ event }) => event === 'reset')
    t.equal(messages[at - 1]?.id, ids.at(-1))
    t.match(JSON.parse(messages[at]?.data ?? ''), { reason: 'history-lost', head: /^9\./ })
  }
  const [back, anew] = [
    await follow(t, gateway, `last_event_id=${ids.at(-1)}`),
    await follow(t, gateway, 'from=beginning'),
  ]
  const [next] = await publish(gateway, { type: 'next', data: {} })
  for (const client of [...clients, quiet, back, anew])
    await client.until(messages => messages.at(-1)?.id === next)

  t.ok(clients.every(client => ofLog(client).at(-2)?.event === 'reset'))
  t.equal(quiet.messages.filter(({ event }) => event === 'reset').length, 0)
  t.equal(ofLog(back).at(-2)?.event, 'reset')
  const kept = anew.messages.flatMap(({ event, id }) => (event === 'thing.made' ? [id] : []))
  t.strictSame(kept.slice(0, KEPT), ids.slice(0, KEPT))
  t.equal(kept.length, KEPT + 5)
  t.notOk(kept.includes(ids.at(-1)))
})

/** Its messages but for those that the time brings: the database is away for a moment, or for long enough to be noticed. */
function ofLog({ messages }: EventStream): EventStream['messages'] {
  return messages.filter(({ event }) => event !== 'server.state' && event !== 'heartbeat')
}

function thing() {
  return { type: 'thing.made', data: {} }
}

function follow(t: Test, gateway: Gateway, query: string) {
  return openStream(t, `${gateway.url}/api/events?${query}`, { headers: as('viewer') })
}

async function eventsIn(url: string): Promise<number> {
  const { rows } = await execute(url, 'select count(*)::int as events from sluice.events')
  return rows[0].events
}
