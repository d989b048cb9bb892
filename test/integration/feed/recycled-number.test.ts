/**
 * A restore to an earlier time loses a stream whole, and the next new stream gets its number: one of another workspace. Gateways that
 * were open meanwhile have the number in memory.
 */
import t, { type Test } from 'tap'
import { inTransaction } from '../../../src/database/pool.js'
import { openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'

const late = { stream: 'late' }
const secret = { type: 'thing.made', data: { secret: true } }

t.test('no reader of a lost stream gets anything of the stream that has its number now', async t => {
  const gateway = await startGateway(t)
  const ids = await publish(gateway, [thing(1), thing(2), thing(3)], late)
  const live = await follow(t, gateway, 'from=beginning')
  await live.until(messages => messages.at(-1)?.id === ids.at(-1))
  const polling = page(gateway, `after=${ids[2]}&wait=30s`)

  // The tailer is late: clients that come now find the stream that this process has in memory.
  await inTransaction(gateway.app.database, giveNumberAway)
  const queries = [
    'from=beginning',
    'last=2',
    'since=2020-01-01T00:00:00Z',
    `last_event_id=${ids[0]}`,
    'types=thing.*&last=2',
  ]
  const clients = await Promise.all(queries.map(query => follow(t, gateway, query).catch(() => undefined)))
  const pages = await Promise.all(
    ['', `after=${ids[0]}`, 'types=thing.*', 'last=2'].map(query => page(gateway, query)),
  )

  t.equal(await live.ended(), true)
  t.match(live.messages.at(-1), { event: 'reset', data: /"reason":"deleted"/ })
  for (const client of [live, ...clients]) {
    await client?.ended()
    t.notMatch(client?.text(), /secret/)
  }
  for (const text of [await polling, ...pages]) t.notMatch(text, /secret/)
})

function thing(n: number) {
  return { type: 'thing.made', data: { n } }
}

/** What a restored database has: `late` of acme is not there, and `hidden` of globex has its number. */
async function giveNumberAway(client: import('pg').PoolClient): Promise<void> {
  const { rows } = await client.query(
    `select id from sluice.streams where workspace = 'acme' and name = 'late'`,
  )
  const [{ id }] = rows
  await client.query('delete from sluice.events where stream_id = $1', [id])
  await client.query('delete from sluice.streams where id = $1', [id])
  await client.query(
    `insert into sluice.streams (id, workspace, name) overriding system value values ($1, 'globex', 'hidden')`,
    [id],
  )
  await client.query(
    `select sluice.publish('globex', 'hidden', 'thing.made', $1) from generate_series(1, 5)`,
    [JSON.stringify(secret.data)],
  )
}

function follow(t: Test, gateway: Gateway, query: string) {
  return openStream(t, `${gateway.url}/api/events?stream=late&${query}`, { headers: as('viewer') })
}

async function page(gateway: Gateway, query: string): Promise<string> {
  const response = await fetch(`${gateway.url}/api/events?stream=late&${query}`, {
    headers: { ...as('viewer'), accept: 'application/json' },
  })
  return await response.text()
}
