import t from 'tap'
import { MAX_DATA_BYTES, MAX_EVENTS_PER_REQUEST } from '../../../src/log/event.js'
import { as, type Gateway, startGateway } from '../../harness/gateway.js'

const JSON_TYPE = 'application/json'
const CLOUDEVENT = 'application/cloudevents+json'
const CLOUDEVENTS = 'application/cloudevents-batch+json'

function post(gateway: Gateway, body: string, headers: Record<string, string> = {}, query = '') {
  return fetch(`${gateway.url}/api/events?${query}`, {
    method: 'POST',
    headers: { ...as('editor'), 'content-type': JSON_TYPE, ...headers },
    body,
  })
}

async function stored(gateway: Gateway): Promise<{ type: string; data: string }[]> {
  const { rows } = await gateway.app.database.query(
    `select e.type, e.data::text as data
       from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.workspace = 'acme' order by e.stream_id, e."position"`,
  )
  return rows
}

t.test('an answer names each stored event, in the order of the request', async t => {
  const gateway = await startGateway(t)

  const response = await post(gateway, '[{"type":"a","data":{"n":1}},{"type":"b","data":{"n":2}}]')
  const { events } = (await response.json()) as { events: { id: string; position: number }[] }

  t.equal(response.status, 201)
  t.match(events, [
    { id: /^1\.[a-z2-7]{6}$/, position: 1, event_id: /^[0-9a-f-]{36}$/, at: /Z$/ },
    { id: /^2\.[a-z2-7]{6}$/, position: 2 },
  ])
  t.same(await stored(gateway), [
    { type: 'a', data: '{"n":1}' },
    { type: 'b', data: '{"n":2}' },
  ])
})

t.test('an invalid event is refused with the reason, and nothing of the request is stored', async t => {
  const gateway = await startGateway(t)
  const event = (type: unknown, data: unknown = {}) => JSON.stringify({ type, data })
  const deep = `{"type":"a","data":{"x":${'['.repeat(70)}${']'.repeat(70)}}}`
  const cases: [body: string, status: number, code: string, text: RegExp][] = [
    ['', 400, 'invalid-json', /empty/],
    ['{', 400, 'invalid-json', /JSON/],
    ['7', 400, 'invalid-request', /object/],
    ['[]', 400, 'invalid-request', /body/],
    ['null', 400, 'invalid-request', /./],
    ['{"type":"a"}', 400, 'invalid-request', /data/],
    ['{"data":{}}', 400, 'invalid-request', /type/],
    [event(''), 400, 'invalid-request', /type/],
    [event('a\nid: 7'), 400, 'invalid-request', /type/],
    [event('a\rb'), 400, 'invalid-request', /type/],
    [event('a\u0000'), 400, 'invalid-request', /type/],
    [event('item.*'), 400, 'invalid-request', /type/],
    [event('1st'), 400, 'invalid-request', /type/],
    [event('a'.repeat(129)), 400, 'invalid-request', /type/],
    [event(7), 400, 'invalid-request', /type/],
    [event('heartbeat'), 400, 'reserved-type', /heartbeat/],
    [event('error'), 400, 'reserved-type', /error/],
    [event('a', []), 400, 'invalid-request', /data/],
    [event('a', 'text'), 400, 'invalid-request', /data/],
    [event('a', null), 400, 'invalid-request', /data/],
    ['{"type":"a","data":{},"colour":"red"}', 400, 'invalid-request', /colour/],
    ['{"type":"a","data":{"__proto__":{"x":1}}}', 400, 'forbidden-key', /__proto__/],
    [deep, 400, 'data-too-deep', /64 levels/],
    [event('a', { x: 'x'.repeat(MAX_DATA_BYTES) }), 413, 'event-too-large', /262144/],
    [event('a', { x: 'x'.repeat(1024 * 1024) }), 413, 'body-too-large', /./],
    [
      JSON.stringify(Array.from({ length: MAX_EVENTS_PER_REQUEST + 1 }, () => ({ type: 'a', data: {} }))),
      400,
      'invalid-request',
      /1000/,
    ],
    ['[{"type":"a","data":{}},{"type":"a","data":7}]', 400, 'invalid-request', /data/],
  ]

  for (const [body, status, code, text] of cases) {
    const response = await post(gateway, body)
    const answer = await response.text()

    t.match({ status: response.status, ...JSON.parse(answer) }, { status, code }, body.slice(0, 60))
    t.match(answer, text)
    t.ok(answer.length < 3_000, 'the answer does not repeat the request')
  }
  t.same(await stored(gateway), [])
})

t.test('unusual characters arrive unchanged', async t => {
  const gateway = await startGateway(t)
  const data = { nul: 'a\u0000b', lone: '\ud800', line: 'a\r\nb\u2028', emoji: '🔩', quote: '"\\' }

  const response = await post(gateway, JSON.stringify({ type: 'a', data }))

  t.equal(response.status, 201)
  t.same(JSON.parse((await stored(gateway))[0]?.data ?? ''), data)
})

t.test('an unsupported content type is 415', async t => {
  const gateway = await startGateway(t)

  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/xml']) {
    const response = await post(gateway, '{"type":"a","data":{}}', { 'content-type': type })

    t.match(await response.json(), { status: 415, code: 'unsupported-media-type' })
  }
})

t.test('viewers do not publish, and unknown query parameters are refused', async t => {
  const gateway = await startGateway(t)

  const viewer = await post(gateway, '{"type":"a","data":{}}', as('viewer'))
  const query = await post(gateway, '{"type":"a","data":{}}', {}, 'colour=red')

  t.match(await viewer.json(), { status: 403, code: 'role-too-low' })
  t.match(await query.json(), { status: 400, code: 'invalid-request' })
})

t.test('a request that is repeated with its idempotency key is stored once', async t => {
  const gateway = await startGateway(t)
  const key = { 'idempotency-key': 'order-7' }
  const body = '[{"type":"a","data":{"n":1}},{"type":"b","data":{"n":2}}]'

  const [first, second] = await Promise.all([post(gateway, body, key), post(gateway, body, key)])
  const third = await post(gateway, body, key)
  const other = await post(gateway, '{"type":"c","data":{}}', key)
  const bad = await post(gateway, body, { 'idempotency-key': 'with space' })

  const answers = await Promise.all([first, second, third].map(response => response.text()))
  t.equal(new Set(answers).size, 1)
  t.equal(third.headers.get('idempotency-replayed'), 'true')
  t.match(await other.json(), { status: 422, code: 'idempotency-key-reused' })
  t.match(await bad.json(), { status: 400, code: 'invalid-idempotency-key' })
  t.equal((await stored(gateway)).length, 2)
})

t.test('a closed stream accepts no event, and other requests of the same flush are stored', async t => {
  const gateway = await startGateway(t)
  await post(gateway, '{"type":"a","data":{}}', {}, 'stream=done')
  await gateway.app.database.query(
    `select sluice.close_stream(id) from sluice.streams where workspace = 'acme' and name = 'done'`,
  )

  const responses = await Promise.all(
    ['done', 'feed', 'done', 'feed'].map(stream =>
      post(gateway, '{"type":"b","data":{}}', {}, `stream=${stream}`),
    ),
  )

  t.same(
    responses.map(({ status }) => status),
    [409, 201, 409, 201],
  )
  t.match(await responses[0]?.json(), { code: 'stream-closed' })
})

t.test(
  'CloudEvents are accepted alone or in batches, and each is stored once however often it is sent',
  async t => {
    const gateway = await startGateway(t)
    const cloudEvent = (id: string) => ({
      specversion: '1.0',
      id,
      source: '/cad/7',
      type: 'com.example.opened',
      time: '2026-01-01T00:00:00Z',
      data: { id },
    })

    const one = await post(gateway, JSON.stringify(cloudEvent('1')), { 'content-type': CLOUDEVENT })
    const batch = await post(gateway, JSON.stringify([cloudEvent('1'), cloudEvent('2')]), {
      'content-type': `${CLOUDEVENTS}; charset=utf-8`,
    })
    const again = await post(gateway, JSON.stringify([cloudEvent('2')]), { 'content-type': CLOUDEVENTS })

    t.same([one.status, batch.status, again.status], [201, 201, 201])
    t.equal(batch.headers.get('idempotency-replayed'), null)
    t.equal(again.headers.get('idempotency-replayed'), 'true')
    t.same(await stored(gateway), [
      { type: 'com.example.opened', data: '{"id":"1"}' },
      { type: 'com.example.opened', data: '{"id":"2"}' },
    ])
  },
)

t.test('a batch of CloudEvents with an Idempotency-Key is one publish', async t => {
  const gateway = await startGateway(t)
  const postBatch = (...ids: string[]) => {
    const events = ids.map(id => ({ specversion: '1.0', id, source: '/cad/7', type: 'opened', data: { id } }))
    return post(gateway, JSON.stringify(events), { 'content-type': CLOUDEVENTS, 'idempotency-key': 'mine' })
  }

  const first = await postBatch('1', '2')
  const again = await postBatch('1', '2')
  const other = await postBatch('1', '3')

  t.same([first.status, again.status, other.status], [201, 201, 422])
  t.equal(again.headers.get('idempotency-replayed'), 'true')
  t.equal((await stored(gateway)).length, 2)
})

t.test('a CloudEvent in binary mode is the same occurrence as in the JSON format', async t => {
  const gateway = await startGateway(t)
  const attributes = {
    'ce-specversion': '1.0',
    'ce-id': '%C3%BC 1',
    'ce-source': '"/d\\"oors"',
    'ce-type': 'com.example.opened',
    'ce-subject': 'in one mode only',
  }

  const binary = await post(gateway, '{"door":7}', attributes)
  const structured = await post(
    gateway,
    JSON.stringify({
      specversion: '1.0',
      id: 'ü 1',
      source: '/d"oors',
      type: 'com.example.opened',
      data: { door: 7 },
    }),
    { 'content-type': CLOUDEVENT },
  )
  const ofAnotherType = await post(gateway, '{"door":8}', {
    ...attributes,
    'ce-id': '2',
    'content-type': 'application/vnd.door+json; charset=utf-8',
  })

  t.same([binary.status, structured.status, ofAnotherType.status], [201, 201, 201])
  t.equal(structured.headers.get('idempotency-replayed'), 'true')
  t.same(await stored(gateway), [
    { type: 'com.example.opened', data: '{"door":7}' },
    { type: 'com.example.opened', data: '{"door":8}' },
  ])
})

t.test('an invalid CloudEvent in binary mode is refused with the reason', async t => {
  const gateway = await startGateway(t)
  const good = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s', 'ce-type': 'a' }
  const cases: [headers: Record<string, string>, body: string, status: number, text: RegExp][] = [
    [{ ...good, 'ce-specversion': '0.3' }, '{}', 400, /specversion/],
    [{ ...good, 'ce-id': '' }, '{}', 400, /id must be/],
    [{ ...good, 'ce-id': '%fc' }, '{}', 400, /ce-id is not percent-encoded UTF-8/],
    [{ ...good, 'ce-source': 'ü' }, '{}', 400, /ce-source is not percent-encoded UTF-8/],
    [{ ...good, 'ce-type': 'a b' }, '{}', 400, /type must have/],
    [{ ...good, 'ce-time': 'now' }, '{}', 400, /time must be/],
    [{ 'content-type': 'text/plain' }, 'text', 415, /type/],
    [{ 'content-type': 'application/vnd.door+json' }, '{"type":"a","data":{}}', 415, /type/],
  ]

  for (const [headers, body, status, text] of cases) {
    const response = await post(gateway, body, headers)

    t.equal(response.status, status, JSON.stringify(headers))
    t.match(await response.text(), text)
  }
  t.same(await stored(gateway), [])
})

t.test('an invalid CloudEvent is refused with the reason', async t => {
  const gateway = await startGateway(t)
  const good = { specversion: '1.0', id: '1', source: '/s', type: 'a', data: {} }
  const cases: [type: string, body: unknown, text: RegExp][] = [
    [CLOUDEVENT, { ...good, specversion: '0.3' }, /specversion/],
    [CLOUDEVENT, { ...good, id: undefined }, /id/],
    [CLOUDEVENT, { ...good, type: 'a b' }, /type/],
    [CLOUDEVENT, { ...good, data_base64: 'AA==' }, /data_base64/],
    [CLOUDEVENT, [good], /object/],
    [CLOUDEVENT, 7, /object/],
    [CLOUDEVENTS, good, /array/],
    [CLOUDEVENTS, [], /./],
    [CLOUDEVENTS, [good, 7], /object/],
  ]

  for (const [type, body, text] of cases) {
    const response = await post(gateway, JSON.stringify(body), { 'content-type': type })
    const answer = await response.text()

    t.equal(response.status, 400, JSON.stringify(body))
    t.match(answer, text)
  }
  t.same(await stored(gateway), [])
})
