/** Webhooks in whole gateways: from the event to the receiver's socket, signed, also after a gateway has stopped. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'
import t, { type Test } from 'tap'
import type {} from '../../../plugins/webhook-deliverer.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'

const ALLOWED = { WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8' }

t.test('events reach a receiver, signed and in order, whichever gateway delivers', async t => {
  const receiver = await startReceiver(t)
  const first = await startGateway(t, { env: ALLOWED })
  const { databaseUrl } = first
  const { secret } = await create(first, { url: receiver.url, types: 'order.*' })
  await publish(
    first,
    [1, 2, 3].map(n => ({ type: 'order.placed', data: { n } })),
  )
  await until('the first events', () => receiver.got.length === 3)
  const second = await startGateway(t, { databaseUrl, env: ALLOWED })
  await first.close()
  await publish(
    second,
    [4, 5].map(n => ({ type: 'order.placed', data: { n } })),
  )
  await until('the others', () => receiver.got.length >= 5)

  const verifier = new Webhook(secret)
  const bodies = receiver.got.map(({ body, headers }) => verifier.verify(body, headers))
  t.match(
    bodies,
    [1, 2, 3, 4, 5].map(n => ({ type: 'order.placed', data: { n } })),
  )
  t.equal(receiver.got.length, 5)
})

t.test('a process with WEBHOOKS=off delivers nothing, and maintenance holds deliveries back', async t => {
  const receiver = await startReceiver(t)
  const manager = await startGateway(t, { env: { ...ALLOWED, WEBHOOKS: 'off' } })
  await create(manager, { url: receiver.url, types: 'order.*' })
  await publish(manager, { type: 'order.placed', data: { n: 1 } })
  const deliverer = await startGateway(t, { databaseUrl: manager.databaseUrl, env: ALLOWED })
  await until('the event', () => receiver.got.length === 1)
  await put(manager, '/api/server/state', { mode: 'maintenance' })
  await until('maintenance everywhere', () => deliverer.app.serverState.mode === 'maintenance')
  const { rows } = await deliverer.app.database.query(
    `select sluice.append('acme', 'feed', 'order.placed', '{"n":2}')`,
  )
  deliverer.app.tailer.wake('all')
  await until('the head', async () => {
    const handle = await deliverer.app.hub.open('acme', 'feed')
    const { position } = handle?.stream.head ?? {}
    handle?.release()
    return position === 2
  })
  const during = receiver.got.length
  await put(manager, '/api/server/state', { mode: 'normal' })
  await until('the second event', () => receiver.got.length === 2)

  t.equal(rows.length, 1)
  t.equal(during, 1)
  t.equal(manager.app.deliverer, undefined)
  const metricsNow = async () =>
    await (await fetch(`${deliverer.url}/metrics`, { headers: as('admin') })).text()
  await until('both attempts in the metrics', async () =>
    /sluice_webhook_attempts_total\{outcome="delivered"\} 2/.test(await metricsNow()),
  )
  await until('the webhooks, if the database answers in time', async () =>
    /sluice_webhooks\{state="active"\} 1/.test(await metricsNow()),
  )
  t.match(await metricsNow(), /sluice_webhooks_held 1/)
})

t.test('messages of a durable stream are events for webhooks, in each form', async t => {
  const [standard, cloudEvents] = [await startReceiver(t), await startReceiver(t)]
  const gateway = await startGateway(t, { env: ALLOWED })
  const write = (method: string, body?: string) =>
    fetch(`${gateway.url}/v1/stream/chat/7`, {
      method,
      headers: { ...as('editor'), 'content-type': 'application/json' },
      ...(body !== undefined && { body }),
    })
  await write('PUT')
  const { secret } = await create(gateway, { url: standard.url, stream: 'chat/7' })
  await create(gateway, { url: cloudEvents.url, stream: 'chat/7', form: 'cloudevents' })

  await write('POST', '[{"n": 1.50}, "two"]')
  await until('both have both', () => standard.got.length === 2 && cloudEvents.got.length === 2)

  const verifier = new Webhook(secret)
  t.match(
    standard.got.map(({ body, headers }) => verifier.verify(body, headers)),
    [
      { type: 'chunk', data: { json: { n: 1.5 } } },
      { type: 'chunk', data: { json: 'two' } },
    ],
  )
  t.ok(standard.got[0]?.body.includes('{"json":{"n": 1.50}}'), 'digits and spaces stay')
  t.match(
    cloudEvents.got.map(({ body }) => JSON.parse(body)),
    [
      { specversion: '1.0', type: 'chunk', data: { json: { n: 1.5 } } },
      { specversion: '1.0', type: 'chunk', data: { json: 'two' } },
    ],
  )
})

async function startReceiver(t: Test) {
  const got: { body: string; headers: Record<string, string> }[] = []
  const server = createServer(async (request, response) => {
    const body = await text(request)
    got.push({ body, headers: request.headers as Record<string, string> })
    response.writeHead(204).end()
  })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/hook`, got }
}

async function create(gateway: Gateway, settings: object): Promise<{ id: string; secret: string }> {
  const response = await fetch(`${gateway.url}/api/webhooks`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: JSON.stringify(settings),
  })
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`)
  return (await response.json()) as { id: string; secret: string }
}

async function put(gateway: Gateway, path: string, body: object): Promise<void> {
  const response = await fetch(`${gateway.url}${path}`, {
    method: 'PUT',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
}
