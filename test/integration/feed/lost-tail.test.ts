/** A log that loses its last events and gives their positions to others, as clients of a gateway see it. */
import t from 'tap'
import { inTransaction } from '../../../src/database/pool.js'
import { openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'

const viewer = as('viewer')
const KEPT = 4
const LOST = 2

for (const [renewed, notify] of [
  [5, 'on'],
  [5, 'off'],
  [2, 'on'],
  [1, 'off'],
  [0, 'off'],
] as const) {
  t.test(`2 events are lost, ${renewed} come in their place, with NOTIFY ${notify}`, async t => {
    const gateway = await startGateway(t, { env: { BUS_NOTIFY: notify } })
    const ids = await publish(gateway, Array.from({ length: KEPT }, thing))
    const quiet = await follow(t, gateway, 'types=next')
    await quiet.until(1)
    ids.push(...(await publish(gateway, Array.from({ length: LOST }, thing))))
    const last = ids.at(-1) ?? ''
    const seen = await follow(t, gateway, 'from=beginning')
    await seen.until(messages => messages.at(-1)?.id === last)
    await tailerAt(gateway, KEPT + LOST)
    const filtered = await follow(t, gateway, `from=${ids[0]}&types=next`)
    await filtered.until(() => filtered.text().endsWith(`id: ${last}\n\n`))
    const polling = fetchPage(gateway, `after=${last}&wait=60s`)

    const log = [...ids.slice(0, KEPT), ...(await replaceTail(gateway, renewed))]
    const head = log.at(-1)

    for (const client of [seen, filtered]) {
      await client.until(1, 'reset')
      const told = client.messages.find(({ event }) => event === 'reset')
      t.match([told?.id, JSON.parse(told?.data ?? '')], [head, { reason: 'history-lost', head }])
    }
    const polled = await polling
    t.match([polled.status, await polled.json()], [410, { code: 'history-lost', head }])

    const refused = [
      await fetchPage(gateway, `after=${last}`),
      await fetchPage(gateway, `after=${last}&types=thing.*`),
      await fetch(`${gateway.url}/api/events/${last}`, { headers: viewer }),
    ]
    t.strictSame(
      refused.map(({ status }) => status),
      [410, 410, 404],
    )
    const shown = await Promise.all(
      ['', `after=${ids[0]}&`, 'types=thing.*&', `types=thing.*&after=${ids[KEPT - 1]}&`].map(query =>
        pageIds(gateway, query),
      ),
    )
    t.strictSame(shown, [log, log.slice(1), log, log.slice(KEPT)])

    const back = await follow(t, gateway, `last_event_id=${last}`)
    await back.until(1, 'reset')
    const anew = [
      await follow(t, gateway, 'from=beginning'),
      await follow(t, gateway, `last_event_id=${ids[KEPT - 1]}`),
      await follow(t, gateway, `last=${renewed + 1}`),
    ]
    const [next = ''] = await publish(gateway, { type: 'next', data: {} })
    const clients = [seen, filtered, quiet, back, ...anew]
    for (const client of clients) await client.until(messages => messages.at(-1)?.id === next)
    const all = [...log, next]
    t.strictSame(clients.map(heard), [
      [...ids, 'reset', next],
      ['reset', next],
      [next],
      ['reset', next],
      all,
      all.slice(KEPT),
      all.slice(KEPT - 1),
    ])
  })
}

/** Waits for the tailer: a filtered client that comes before it does not get the newest id until the next heartbeat. */
async function tailerAt(gateway: Gateway, position: number): Promise<void> {
  const handle = await gateway.app.hub.open('acme', 'feed')
  await until('the tailer has read everything', () => handle?.stream.head.position === position)
  handle?.release()
}

function thing() {
  return { type: 'thing.made', data: {} }
}

/** What a failover does to a log: the standby lacks the last events, and other events get their positions. */
async function replaceTail(gateway: Gateway, count: number): Promise<string[]> {
  await inTransaction(gateway.app.database, async client => {
    await client.query('delete from sluice.events where "position" > $1', [KEPT])
    await client.query(
      `select sluice.publish('acme', 'feed', 'thing.made', '{}') from generate_series(1, $1::int)`,
      [count],
    )
  })
  return (await pageIds(gateway, '')).slice(KEPT)
}

function follow(t: import('tap').Test, gateway: Gateway, query: string) {
  return openStream(t, `${gateway.url}/api/events?${query}`, { headers: viewer })
}

function heard({ messages }: Awaited<ReturnType<typeof follow>>): (string | undefined)[] {
  return messages
    .filter(({ event }) => event !== 'server.state')
    .map(({ event, id }) => (event === 'reset' ? event : id))
}

function fetchPage(gateway: Gateway, query: string): Promise<Response> {
  return fetch(`${gateway.url}/api/events?${query}`, { headers: { ...viewer, accept: 'application/json' } })
}

async function pageIds(gateway: Gateway, query: string): Promise<string[]> {
  const page = (await (await fetchPage(gateway, `${query}limit=1000`)).json()) as { events: { id: string }[] }
  return page.events.map(({ id }) => id)
}
