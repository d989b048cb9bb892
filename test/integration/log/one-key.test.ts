import t from 'tap'
import { as, startGateway } from '../../harness/gateway.js'

t.test('fifty writers on two gateways with one idempotency key store one event', async t => {
  const one = await startGateway(t)
  const two = await startGateway(t, { databaseUrl: one.databaseUrl })
  const headers = { ...as('editor'), 'content-type': 'application/json', 'idempotency-key': 'order-7' }
  const body = '{"type":"order.placed","data":{"id":7}}'

  const answers = await Promise.all(
    Array.from({ length: 50 }, async (_, n) => {
      const { url } = n % 2 ? one : two
      const response = await fetch(`${url}/api/events`, { method: 'POST', headers, body })
      return { status: response.status, text: await response.text() }
    }),
  )

  t.strictSame(new Set(answers.map(({ status }) => status)), new Set([201]))
  t.equal(new Set(answers.map(({ text }) => text)).size, 1, 'all have the same answer')
  const page = await fetch(`${one.url}/api/events?limit=10&after=0`, {
    headers: { ...as('viewer'), accept: 'application/json' },
  })
  t.equal(Object(await page.json()).events.length, 1)
})
