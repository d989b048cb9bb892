import t from 'tap'
import { openStream } from '../../../harness/event-stream.js'
import { BEHIND_PROXY, publish, startGateway } from '../../../harness/gateway.js'
import { bearer, token } from '../../../harness/tokens.js'

t.test('a caller reads the granted streams, and of them the granted types', async t => {
  const gateway = await startGateway(t, { env: BEHIND_PROXY })
  for (const stream of ['orders/1', 'orders/2', 'users/1']) {
    await publish(gateway, { type: 'a.made', data: {} }, { stream })
    await publish(gateway, { type: 'b.made', data: {} }, { stream })
  }
  const granted = { headers: limited({ subscribe: ['orders/*'], types: ['a.*'] }) }
  const page = async (stream: string) => {
    const url = `${gateway.url}/api/events?limit=10&stream=${stream}`
    const response = await fetch(url, {
      headers: { ...granted.headers, accept: 'application/json', 'x-request-id': 'r' },
    })
    return { status: response.status, body: await response.json() }
  }

  const [own, foreign, unknown] = [await page('orders/1'), await page('users/1'), await page('missing')]
  const live = await openStream(t, `${gateway.url}/api/events?stream=orders/2&from=beginning`, granted)
  await live.until(2)
  await publish(gateway, { type: 'b.made', data: {} }, { stream: 'orders/2' })
  await publish(gateway, { type: 'a.made', data: {} }, { stream: 'orders/2' })
  await live.until(3)

  t.match(own, { status: 200, body: { events: [{ type: 'a.made' }], next: /^2\./ } })
  t.strictSame(foreign.body, unknown.body)
  t.equal(foreign.status, 404)
  t.strictSame(
    live.messages.filter(({ event }) => event !== 'server.state').map(({ event }) => event),
    ['a.made', 'a.made'],
  )
})

function limited(grants: object, role = 'viewer') {
  return bearer(token({ role, sluice: grants }))
}
