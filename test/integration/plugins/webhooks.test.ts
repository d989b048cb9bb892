/** A gateway with its webhooks: what is published arrives at a receiver; and a gateway without a key for their secrets. */
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Webhook } from 'standardwebhooks'
import t, { type Test } from 'tap'
import { createKey } from '../../../src/auth/api-keys/api-key-administration.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'

t.test('events that are published are posted in order, signed, and the cursor follows', async t => {
  const { url, got } = await startReceiver(t)
  const gateway = await startGateway(t)
  const { id, secret } = await send(gateway, 'POST', '/api/webhooks', { url, types: 'thing.*' })
  const numbers = Array.from({ length: 20 }, (_, n) => n)

  const ids = await publish(
    gateway,
    numbers.map(n => ({ type: 'thing.made', data: { n } })),
  )

  await until('all are delivered', () => got.length >= numbers.length)
  const webhook = new Webhook(secret)
  t.strictSame(
    got.map(({ body, headers }) => Object(webhook.verify(body, headers)).data.n),
    numbers,
  )
  t.strictSame(
    got.map(({ headers }) => headers['sluice-event-id']),
    ids,
  )
  await until(
    'the cursor is at the head',
    async () => (await send(gateway, 'GET', `/api/webhooks/${id}`)).cursor === ids.at(-1),
  )
  const { deliveries } = await send(
    gateway,
    'GET',
    `/api/webhooks/${id}/deliveries?outcome=delivered&limit=100`,
  )
  t.equal(deliveries.length, numbers.length)
})

t.test('a webhook on the events of jobs reports the end of a job', async t => {
  const { url, got } = await startReceiver(t)
  const gateway = await startGateway(t)
  await send(gateway, 'POST', '/api/webhooks', { url, types: 'job.*' })
  const { id } = await send(gateway, 'POST', '/api/jobs', { kind: 'command', title: 'npm test' })

  await send(gateway, 'POST', `/api/jobs/${id}/cancel`)

  await until('the end is delivered', () => got.length >= 2)
  const [created, ended] = got.map(({ body }) => JSON.parse(body))
  t.match(created, { type: 'job.created', data: { job_id: id } })
  t.match(ended, { type: 'job.cancelled', data: { job_id: id, status: 'cancelled' } })
})

t.test('an admin lets the event be tried now for which an ordered webhook waits, and it goes on', async t => {
  const { url, got, answer } = await startReceiver(t)
  answer.status = 503
  answer.headers = { 'retry-after': '3600' }
  const gateway = await startGateway(t)
  const { id } = await send(gateway, 'POST', '/api/webhooks', { url, types: 'thing.*' })
  const [first, second] = await publish(gateway, [
    { type: 'thing.made', data: { n: 1 } },
    { type: 'thing.made', data: { n: 2 } },
  ])
  const failed = async () =>
    (await send(gateway, 'GET', `/api/webhooks/${id}/deliveries?outcome=failed`)).deliveries[0]
  await until('the first has failed', async () => (await failed()) !== undefined)
  answer.status = 204

  await send(gateway, 'POST', `/api/webhooks/${id}/deliveries/${(await failed()).id}/retry`)

  await until('the second is delivered', () => got.length >= 3)
  t.strictSame(
    got.map(({ headers }) => headers['sluice-event-id']),
    [first, first, second],
  )
})

t.test('without a key for secrets there are no webhooks, and the answer says what to set', async t => {
  const { publicKey } = generateKeyPairSync('ed25519')
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const gateway = await startGateway(t, { env: { JWT_SECRET: '', JWT_PUBLIC_KEY: pem } })
  const origin = { workspace: 'acme', principal: 'ada', address: null, requestId: null }
  const { key } = await createKey(gateway.app.database, origin, { name: 'k', role: 'admin' })

  const response = await fetch(`${gateway.url}/api/webhooks`, {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify({ url: 'https://hooks.example.com/' }),
  })

  t.equal(gateway.app.deliverer, undefined)
  t.match(await response.json(), { status: 409, code: 'webhooks-not-set-up', detail: /WEBHOOK_SECRET_KEYS/ })
})

/** Keeps everything, and gives the same answer to all. */
async function startReceiver(test: Test) {
  const answer: { status: number; headers: Record<string, string> } = { status: 204, headers: {} }
  const got: { body: string; headers: Record<string, string> }[] = []
  const receiver = createServer((request, response) => {
    let body = ''
    request.on('data', chunk => {
      body += chunk
    })
    request.on('end', () => {
      got.push({
        body,
        headers: Object.fromEntries(Object.entries(request.headers).map(([k, v]) => [k, String(v)])),
      })
      response.writeHead(answer.status, answer.headers).end()
    })
  })
  receiver.listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  test.teardown(() => receiver.close())
  return { got, answer, url: `http://127.0.0.1:${Object(receiver.address()).port}/` }
}

async function send(gateway: Gateway, method: string, path: string, body?: object) {
  const response = await fetch(`${gateway.url}${path}`, {
    method,
    headers: { ...as('admin'), ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  return Object(await response.json())
}
