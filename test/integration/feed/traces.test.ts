/** The trace of a publisher, from its header or its CloudEvent to the readers of the event, in every form. */
import t from 'tap'
import { openStream } from '../../harness/event-stream.js'
import { as, type Gateway, startGateway } from '../../harness/gateway.js'

const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const OTHER = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const CLOUDEVENT = 'application/cloudevents+json'
const BATCH = 'application/cloudevents-batch+json'
const cloudEvent = { specversion: '1.0', id: '1', source: '/door', type: 'opened', data: {} }

async function post(gateway: Gateway, path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${response.status}: ${text}`)
  return JSON.parse(text)
}

async function read(gateway: Gateway, path: string, accept = 'application/json') {
  const response = await fetch(`${gateway.url}${path}`, { headers: { ...as('viewer'), accept } })
  return await response.text()
}

t.test('each form of an event as a document shows its trace, and a named event stays as it was', async t => {
  const gateway = await startGateway(t)
  const live = (query: string, accept = 'text/event-stream') =>
    openStream(t, `${gateway.url}/api/events?${query}`, { headers: { ...as('viewer'), accept } })
  const streams = [await live('envelope=message'), await live('envelope=cloudevents'), await live('')]
  for (const stream of streams) await stream.until(1)

  const { events } = await post(gateway, '/api/events', { type: 'a', data: { n: 1 } }, { traceparent: TRACE })
  const [placed] = events
  const documents = [
    await read(gateway, `/api/events/${placed.id}`),
    await read(gateway, '/api/events'),
    await read(gateway, '/api/events?limit=10', 'application/x-ndjson'),
    await read(gateway, `/api/events/${placed.id}`, CLOUDEVENT),
    await read(gateway, '/api/events', BATCH),
    await read(gateway, '/api/latest?key=data.n'),
  ]
  streams.unshift(await live('from=latest-by-key&key=data.n&envelope=message'))
  const shown = await Promise.all(
    streams.map(async stream => {
      await stream.until(messages => messages.some(({ id }) => id === placed.id))
      return stream.messages.find(({ id, data }) => id === placed.id && data !== '')?.data
    }),
  )

  t.strictSame(
    [...documents, ...shown.slice(0, 3)].map(text => text?.includes(`"traceparent":"${TRACE}"`)),
    Array(9).fill(true),
  )
  t.equal(shown[3], '{"n":1}')
})

t.test(
  'a CloudEvent has its own trace, which comes before that of the request; an invalid one is kept as an attribute',
  async t => {
    const gateway = await startGateway(t)
    const batch = [
      { ...cloudEvent, id: '1', traceparent: OTHER },
      { ...cloudEvent, id: '2' },
      { ...cloudEvent, id: '3', traceparent: 'mine' },
    ]
    await post(gateway, '/api/events', batch, { 'content-type': BATCH, traceparent: TRACE })
    await post(
      gateway,
      '/api/events',
      [
        { ...batch[0], id: '4' },
        { ...batch[1], id: '5' },
      ],
      {
        'content-type': BATCH,
        traceparent: TRACE,
        'idempotency-key': 'k',
      },
    )
    await post(
      gateway,
      '/api/events',
      { n: 1 },
      {
        'ce-specversion': '1.0',
        'ce-id': '6',
        'ce-source': '/door',
        'ce-type': 'opened',
        'ce-traceparent': OTHER,
        traceparent: TRACE,
      },
    )

    const plain = JSON.parse(await read(gateway, '/api/events'))
    const cloud = JSON.parse(await read(gateway, '/api/events', BATCH))

    t.strictSame(
      plain.events.map((event: { traceparent?: string }) => event.traceparent),
      [OTHER, TRACE, TRACE, OTHER, TRACE, OTHER],
    )
    t.strictSame(
      cloud.map((event: { traceparent?: string }) => event.traceparent),
      [OTHER, TRACE, 'mine', OTHER, TRACE, OTHER],
    )
  },
)

t.test('an invalid header is ignored, and the event has no trace', async t => {
  const gateway = await startGateway(t)

  for (const traceparent of [
    'mine',
    TRACE.replace('4bf92f3577b34da6a3ce929d0e0e4736', '0'.repeat(32)),
    `${TRACE}, ${OTHER}`,
  ]) {
    await post(gateway, '/api/events', { type: 'a', data: {} }, { traceparent })
  }

  const { events } = JSON.parse(await read(gateway, '/api/events'))
  t.strictSame(
    events.map((event: object) => 'traceparent' in event),
    [false, false, false],
  )
})

t.test('changes of items, jobs and reports on jobs belong to the trace of their request', async t => {
  const gateway = await startGateway(t)
  const item = { part_number: 'A01-0001', item_type: 'part', description: 'Bracket' }

  await post(gateway, '/api/items', item, { traceparent: TRACE })
  const job = await post(gateway, '/api/jobs', { kind: 'build' }, { traceparent: OTHER })
  await post(gateway, '/api/jobs', { kind: 'build', id: 'own' })

  const { events } = JSON.parse(await read(gateway, '/api/events'))
  t.strictSame(
    events.map((event: { type: string; traceparent?: string }) => [event.type, event.traceparent]),
    [
      ['item.created', TRACE],
      ['job.created', OTHER],
      ['job.created', undefined],
    ],
  )
  const [created] = JSON.parse(await read(gateway, `/api/events?stream=job:${job.id}`)).events
  t.equal(created.traceparent, OTHER)
})
