/** How many streams one caller may have open, and that each slot is given back, however the stream ended. */
import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { bearer, token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

const NOBODY = { principal: 0, workspace: 0, address: 0 }
const CAPS = { MAX_STREAMS_PER_PRINCIPAL: '3', MAX_STREAMS_PER_WORKSPACE: '5', MAX_STREAMS_PER_ADDRESS: '8' }

const who = (sub: string, workspace = 'acme') => bearer(token({ sub, workspace }))

async function nothingIsHeld({ app }: Gateway): Promise<void> {
  await until('all slots are given back', () => Object.values(app.streamSlots.holders).every(of => of === 0))
}

/** Opens that many streams at once. @returns the limits that refused, sorted, and how many streams were opened. */
async function openMany(t: Test, gateway: Gateway, count: number, headers: { authorization: string }) {
  const streams = await Promise.all(
    Array.from({ length: count }, () => openStream(t, `${gateway.url}/api/events`, { headers })),
  )
  const first = await Promise.all(streams.map(stream => stream.until(1)))
  const refused = first.flatMap(([message]) =>
    message?.event === 'unavailable' ? [JSON.parse(message.data).limit] : [],
  )
  return { streams, refused, open: count - refused.length }
}

t.test(
  'when many clients come at once, each principal, workspace and address gets as many streams as it may have',
  async t => {
    const gateway = await startGateway(t, { env: CAPS })

    const ada = await openMany(t, gateway, 10, who('ada'))
    const grace = await openMany(t, gateway, 10, who('grace'))
    const elsewhere = await openMany(t, gateway, 3, who('ada', 'globex'))
    const last = await openMany(t, gateway, 2, who('ada', 'initech'))

    t.match(ada, { open: 3, refused: Array(7).fill('principal') })
    t.match(grace, { open: 2, refused: Array(8).fill('workspace') })
    t.match(elsewhere, { open: 3, refused: [] })
    t.match(last, { open: 0, refused: ['address', 'address'] })
    t.strictSame(gateway.app.streamSlots.holders, { principal: 3, workspace: 2, address: 1 })

    ada.streams.forEach(stream => void stream.close())
    await until('ada has left', () => gateway.app.streamSlots.holders.principal === 2)
    t.match(await openMany(t, gateway, 3, who('ada')), { open: 3 })
  },
)

t.test('a long poll that waits counts as a stream; a page that does not wait never does', async t => {
  const gateway = await startGateway(t, { env: CAPS })
  const headers = { ...who('ada'), accept: 'application/json' }
  const poll = () => fetch(`${gateway.url}/api/events?wait=30s`, { headers })

  const polls = [poll(), poll(), poll(), poll()]
  const refused = await Promise.race(polls)
  const page = await fetch(`${gateway.url}/api/events`, { headers })
  await publish(gateway, { type: 'thing.happened', data: {} })
  const statuses = (await Promise.all(polls)).map(({ status }) => status)

  t.match(await refused.json(), { status: 429, code: 'too-many-streams', detail: /of this principal/ })
  t.ok(refused.headers.get('retry-after'))
  t.equal(page.status, 200)
  t.strictSame(statuses.sort(), [200, 200, 200, 429])
  await nothingIsHeld(gateway)
})

t.test('whatever ends an opening or a stream gives its slot back', async t => {
  // There is room for all of them, because the order of the answers is not fixed.
  const env = { ...CAPS, MAX_STREAMS_PER_WORKSPACE: '8', MAX_STREAM_AGE: '1' }
  const gateway = await startGateway(t, { env })
  const { url } = gateway
  const stream = { accept: 'text/event-stream' }

  const answers = await Promise.all([
    fetch(`${url}/api/events?stream=missing`, { headers: { ...who('a'), ...stream } }),
    fetch(`${url}/api/executions/00000000-0000-0000-0000-000000000000/events`, {
      headers: { ...who('b'), ...stream },
    }),
    fetch(`${url}/api/events?types=.`, { headers: { ...who('c'), ...stream } }),
    fetch(`${url}/api/events`, { method: 'HEAD', headers: { ...who('d'), ...stream } }),
    fetch(`${url}/api/events?wait=10ms`, { headers: { ...who('e'), accept: 'application/json' } }),
    fetch(`${url}/api/events?wait=10ms&after=77`, { headers: { ...who('f'), accept: 'application/json' } }),
    fetch(`${url}/api/events?wait=10ms&stream=missing`, {
      headers: { ...who('g'), accept: 'application/json' },
    }),
  ])
  const old = await openStream(t, `${url}/api/events`, { headers: who('h') })

  t.strictSame(
    answers.map(({ status }) => status),
    [404, 404, 400, 200, 200, 410, 404],
  )
  t.ok(await old.ended(), 'too old')
  await nothingIsHeld(gateway)
})

t.test('clients that disconnect, at whatever moment, leave nothing behind', async t => {
  const gateway = await startGateway(t)
  const port = Number(new URL(gateway.url).port)
  const lines = [
    'GET /api/events HTTP/1.1',
    'Host: x',
    'Accept: text/event-stream',
    `Authorization: ${as('viewer').authorization}`,
  ]

  await Promise.all(
    Array.from({ length: 60 }, async (_, each) => {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {})
      await once(socket, 'connect')
      socket.write(`${lines.join('\r\n')}\r\n\r\n`)
      // At once, after a turn or two of the event loop, or after the first bytes.
      if (each % 3 === 1) await new Promise(resolve => setImmediate(resolve))
      if (each % 3 === 2) await once(socket, 'data')
      socket.destroy()
    }),
  )
  // Once the server has answered another request, it is done with all of these.
  const last = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  await last.until(1)
  last.close()

  await nothingIsHeld(gateway)
  t.equal(gateway.app.hub.clients().total, 0)
})

t.test('an opening that fails with the database gives its slot back', async t => {
  const first = await startGateway(t)
  const proxy = await startProxy(t, first.databaseUrl)
  const gateway = await startGateway(t, { databaseUrl: proxy.url })
  await proxy.unplug()

  const refused = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })

  t.match(await refused.until(1), [{ event: 'unavailable', data: '{"reason":"database"}' }])
  t.strictSame(gateway.app.streamSlots.holders, NOBODY)
})
