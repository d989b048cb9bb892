/** What the limits of a workspace count of a durable stream, and what the metrics show. */
import t, { type Test } from 'tap'
import { as, type Gateway, startGateway } from '../../harness/gateway.js'
import { ask, chunked, type Sent } from './dialect.js'

const json = { 'content-type': 'application/json' }
const producer = (seq: number) => ({
  ...json,
  'producer-id': 'p',
  'producer-epoch': '0',
  'producer-seq': `${seq}`,
})

function start(t: Test, env: Record<string, string>): Promise<Gateway> {
  return startGateway(t, { env })
}

async function statusOf(gateway: Gateway, method: string, path: string, sent: Sent): Promise<number> {
  return (await ask(gateway, method, path, sent)).status
}

t.test('each message of a body counts, and a repetition does not', async t => {
  const gateway = await start(t, { MAX_EVENTS_PER_WORKSPACE: '6' })
  const put = () => statusOf(gateway, 'PUT', 's', { headers: json, body: '[1,2]' })
  const post = (body: string, headers: Record<string, string> = json) =>
    statusOf(gateway, 'POST', 's', { headers, body })

  t.equal(await put(), 201)
  t.equal(await post('[3,4,5]'), 204)
  t.equal(await post('[6,7]'), 507)
  t.equal(await post('[6]', producer(0)), 200)
  t.equal(await post('[6]', producer(0)), 204, 'a repetition')
  t.equal(await post('[7]', producer(1)), 507)
  t.equal(await put(), 200, 'it exists')
  t.equal(await statusOf(gateway, 'PUT', 'other', { headers: json }), 507)
  t.equal(await statusOf(gateway, 'POST', 's', { headers: { 'stream-closed': 'true' } }), 204)
  t.equal(await (await ask(gateway, 'GET', 's')).text(), '[1,2,3,4,5,6]')
})

t.test('a fork counts its copies', async t => {
  const gateway = await start(t, { MAX_EVENTS_PER_WORKSPACE: '6' })
  const fork = (offset: number) =>
    statusOf(gateway, 'PUT', 'fork', {
      headers: { 'stream-forked-from': '/v1/stream/s', 'stream-fork-offset': `${offset}`.padStart(16, '0') },
    })
  await ask(gateway, 'PUT', 's', { headers: json, body: '[1,2,3,4]' })

  t.equal(await fork(4), 507)
  t.equal(await statusOf(gateway, 'GET', 'fork', {}), 404)
  t.equal(await fork(2), 201)
  t.equal(await statusOf(gateway, 'POST', 'fork', { headers: json, body: '[5]' }), 507)
})

t.test('a body whose length is not announced counts its bytes', async t => {
  const gateway = await start(t, { MAX_BYTES_PER_WORKSPACE: '1000' })
  const text = { 'content-type': 'text/plain' }
  const post = (bytes: number) =>
    statusOf(gateway, 'POST', 's', { headers: text, body: chunked('x'.repeat(bytes)) })
  await ask(gateway, 'PUT', 's', { headers: text })

  t.equal(await post(900), 204)
  t.equal(await post(200), 507)
  t.equal(await post(50), 204)
})

t.test('metrics count appends, their events, forks and expired streams', async t => {
  const gateway = await start(t, {})
  await ask(gateway, 'PUT', 's', { headers: json, body: '[1,2]' })
  await ask(gateway, 'POST', 's', { headers: producer(0), body: '[3,4,5]' })
  await ask(gateway, 'POST', 's', { headers: producer(0), body: '[3,4,5]' })
  await ask(gateway, 'POST', 's', { headers: producer(7), body: '[6]' })
  await ask(gateway, 'PUT', 'fork', { headers: { 'stream-forked-from': '/v1/stream/s' } })
  await ask(gateway, 'PUT', 'brief', { headers: { 'stream-ttl': '0' } })
  await gateway.app.durableExpiry.run()

  const shown = await (await fetch(`${gateway.url}/metrics`, { headers: as('admin') })).text()

  for (const line of [
    'sluice_durable_appends_total{outcome="stored"} 1',
    'sluice_durable_appends_total{outcome="duplicate"} 1',
    'sluice_durable_appends_total{outcome="refused"} 1',
    'sluice_durable_append_duration_seconds_count 3',
    'sluice_durable_chunks_total 5',
    'sluice_durable_forks_total 1',
    'sluice_durable_expired_total 1',
    'sluice_events_published_total{way="http"} 5',
  ])
    t.ok(shown.split('\n').includes(line), line)
})

t.test('an explanation knows a message as any event', async t => {
  const gateway = await start(t, {})
  await ask(gateway, 'PUT', 's', { headers: json, body: '[1]' })
  const page = await fetch(`${gateway.url}/api/events?stream=s&after=0`, {
    headers: { ...as('viewer'), accept: 'application/json' },
  })
  const { events } = (await page.json()) as { events: { id: string }[] }

  const response = await fetch(`${gateway.url}/api/explain?stream=s&event=${events[0]?.id}`, {
    headers: as('admin'),
  })

  t.match(await response.json(), { event: { type: 'chunk', way: 'http', actor: 'editor-of-acme' } })
})
