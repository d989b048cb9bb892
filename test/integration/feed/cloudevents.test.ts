/** CloudEvents in, in each mode of the official SDK, and out again, in each form: the same attributes and the same data. */
import { CloudEvent, HTTP, type Message } from 'cloudevents'
import t, { type Test } from 'tap'
import { createDatabase } from '../../harness/database.js'
import { type EventStream, openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'

const ONE = 'application/cloudevents+json'
const BATCH = 'application/cloudevents-batch+json'

const base = { specversion: '1.0', source: 'https://shop.example/cart?x=1#y', type: 'com.example.opened' }
const EVENTS = {
  minimal: { ...base, id: 'ü"1', data: { n: 1 } },
  'all attributes': {
    ...base,
    id: '2',
    subject: 'käse/7',
    time: '2026-01-02T03:04:05.000Z',
    dataschema: 'https://shop.example/schema',
    datacontenttype: 'application/json',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    comcount: 7,
    comflag: true,
    data: { deep: { list: [1, 'two', null] } },
  },
  'a text': { ...base, id: '3', datacontenttype: 'text/plain', data: 'one\ntwo: ü' },
  xml: { ...base, id: '4', datacontenttype: 'application/xml', data: '<a b="1">ü</a>' },
  'a list': { ...base, id: '5', datacontenttype: 'application/json', data: [1, { two: 2 }] },
  'a member named data': { ...base, id: '6', data: { data: 'x', data_base64: 'AA==' } },
  bytes: { ...base, id: '7', datacontenttype: 'application/octet-stream', data_base64: 'AAEC/v8=' },
  'no data': { ...base, id: '8', subject: 'only this' },
}

for (const mode of ['structured', 'binary', 'batch'] as const) {
  t.test(`what is sent in ${mode} mode is read as the same CloudEvent in every form`, async t => {
    const gateway = await startGateway(t)
    const live = await openStream(t, `${gateway.url}/api/events?envelope=cloudevents`, {
      headers: as('viewer'),
    })
    await live.until(1)
    const sent = Object.values(EVENTS).map(event => new CloudEvent<unknown>(event))
    const ids =
      mode === 'batch'
        ? await send(gateway, { headers: { 'content-type': BATCH }, body: JSON.stringify(sent) })
        : (await inTurn(sent, event => send(gateway, HTTP[mode](event)))).flat()
    const wanted = Object.values(EVENTS).map((event, index) => plain(event, mode, ids[index]))

    await live.until(messages => messages.at(-1)?.id === ids.at(-1))
    const forms = { ...(await readAll(t, gateway, ids)), live: cloudEventsIn(live) }
    for (const [form, events] of Object.entries(forms)) {
      for (const [index, name] of Object.keys(EVENTS).entries())
        t.strictSame(withoutTime(events[index], wanted[index]), wanted[index], `${name}: ${form}`)
      t.equal(events.length, sent.length, form)
    }
    for (const event of forms.batch) t.doesNotThrow(() => new CloudEvent(event).validate())
  })
}

t.test('the SDK reads what the gateway sends', async t => {
  const gateway = await startGateway(t)
  const event = new CloudEvent(EVENTS['all attributes'])
  const [id] = await send(gateway, HTTP.binary(event))
  const response = await get(gateway, `/api/events/${id}`, ONE)
  const headers = Object.fromEntries(response.headers)

  const read = HTTP.toEvent<object>({ headers, body: await response.text() })

  if (Array.isArray(read)) throw new Error('It is one event.')
  t.strictSame(read.data, event.data)
  t.match(read, { id: '2', source: base.source, subject: 'käse/7', dataschema: event.dataschema })
  t.match(response.headers.get('content-type'), ONE)
  t.match(response.headers.get('vary'), 'Accept')
})

t.test('an event that is no CloudEvent gets its UUID, its stream and its time as attributes', async t => {
  const { url: databaseUrl, pool } = await createDatabase(t)
  const gateway = await startGateway(t, { databaseUrl })
  const far = await startGateway(t, { databaseUrl, env: { CLOUDEVENTS_SOURCE: 'https://events.example/' } })
  await publish(gateway, { type: 'a', data: { n: 1 } }, { stream: 'chat/7' })
  await pool.query(`select sluice.publish('acme', 'chat/7', 'b', '{"n": 12345678901234567890}')`)
  const plain = await (await get(gateway, '/api/events?stream=chat/7', 'application/json')).json()
  const [first] = (plain as { events: Record<string, string>[] }).events

  const response = await get(gateway, '/api/events?stream=chat/7', BATCH)
  const text = await response.text()
  const elsewhere = await (await get(far, '/api/events?stream=chat/7', BATCH)).json()

  t.match(response.headers.get('x-sluice-next'), /^2\.[a-z2-7]{6}$/)
  t.equal(response.headers.get('x-sluice-head'), response.headers.get('x-sluice-next'))
  t.strictSame(JSON.parse(text)[0], {
    specversion: '1.0',
    id: first?.event_id,
    source: '/acme/chat/7',
    type: 'a',
    time: first?.at,
    sluiceid: first?.id,
    data: { n: 1 },
  })
  t.match(text, '"data":{"n": 12345678901234567890}')
  t.match(elsewhere, [{ source: 'https://events.example/acme/chat/7' }, {}])
})

t.test('a client resumes CloudEvents after their id, and gets notices under their names', async t => {
  const gateway = await startGateway(t)
  const ids = await publish(gateway, [
    { type: 'a', data: { n: 1 } },
    { type: 'b', data: { n: 2 } },
  ])
  const stream = await openStream(t, `${gateway.url}/api/events?envelope=cloudevents&types=b`, {
    headers: { ...as('viewer'), 'last-event-id': ids[0] ?? '' },
  })

  await stream.until(2)

  t.match(stream.messages, [
    { event: 'server.state' },
    {
      event: undefined,
      id: ids[1],
      data: /^\{"specversion":"1.0","id":"[0-9a-f-]{36}","source":"\/acme\/feed"/,
    },
  ])
})

t.test('an event that loses its data loses its attributes too', async t => {
  const { url: databaseUrl, pool } = await createDatabase(t)
  const gateway = await startGateway(t, { databaseUrl })
  await send(gateway, HTTP.structured(new CloudEvent(EVENTS['all attributes'])))

  await pool.query(
    `set session_replication_role = replica; update sluice.events set data = '{"redacted":true}'`,
  )

  const { rows } = await pool.query('select data::text as data, attributes from sluice.events')
  t.strictSame(rows, [{ data: '{"redacted":true}', attributes: null }])
})

t.test('without Accept of a form that a route has, nothing is sent', async t => {
  const gateway = await startGateway(t)
  const response = await get(gateway, '/api/events', ONE)

  t.equal(response.status, 406)
  t.match(await response.json(), { code: 'not-acceptable', detail: BATCH })
})

/** Read in every form, each as the parsed JSON documents. */
async function readAll(t: Test, gateway: Gateway, ids: readonly string[]) {
  const headers = as('viewer')
  const stream = await openStream(t, `${gateway.url}/api/events?envelope=cloudevents&from=beginning`, {
    headers,
  })
  await stream.until(messages => messages.filter(({ event }) => event === undefined).length === ids.length)
  const live = new AbortController()
  const lines = await fetch(`${gateway.url}/api/events?envelope=cloudevents&from=beginning`, {
    headers: { ...headers, accept: 'application/x-ndjson' },
    signal: live.signal,
  })
  let text = ''
  for await (const part of lines.body ?? []) {
    text += Buffer.from(part).toString()
    if (text.split('\n').filter(line => line.includes('"specversion"')).length === ids.length) break
  }
  live.abort()
  const batch = await get(gateway, '/api/events', BATCH)
  t.match(batch.headers.get('content-type'), BATCH)
  return {
    one: await inTurn(ids, async id => (await get(gateway, `/api/events/${id}`, ONE)).json()),
    batch: (await batch.json()) as object[],
    sse: cloudEventsIn(stream),
    ndjson: text
      .split('\n')
      .filter(line => line.includes('"specversion"'))
      .map(line => JSON.parse(line)),
  }
}

function cloudEventsIn({ messages }: EventStream): object[] {
  return messages.flatMap(({ event, data }) => (event === undefined ? [JSON.parse(data)] : []))
}

/** As it is read: with the id of the event; in binary mode, headers are texts, and JSON has a media type. */
function plain(event: object, mode: string, sluiceid: string | undefined): Record<string, unknown> {
  const read: Record<string, unknown> = { ...event, sluiceid }
  if (mode !== 'binary') return read
  for (const [name, value] of Object.entries(read))
    if (name !== 'data' && value !== undefined) read[name] = String(value)
  if ('data' in read) read.datacontenttype ??= 'application/json; charset=utf-8'
  return read
}

/** The SDK adds a time to an event without one. */
function withoutTime(read: unknown, wanted: object | undefined): unknown {
  const { time, ...others } = Object(read)
  return wanted && 'time' in wanted ? { ...others, time } : others
}

async function send(gateway: Gateway, { headers, body }: Message): Promise<string[]> {
  // The SDK leaves the percent-encoding of headers to its transport (HTTP binding, §3.1.3.2).
  const texts = Object.entries(headers).map(([name, value]) => [
    name,
    name.startsWith('ce-') ? String(value).replace(/[^!#-$&-~]/gu, encodeURIComponent) : String(value),
  ])
  const response = await fetch(`${gateway.url}/api/events`, {
    method: 'POST',
    headers: { ...as('editor'), ...Object.fromEntries(texts) },
    ...(body !== undefined && body !== null && { body: body as string }),
  })
  if (response.status !== 201) throw new Error(await response.text())
  const receipt = (await response.json()) as { events: { id: string }[] }
  return receipt.events.map(({ id }) => id)
}

function get(gateway: Gateway, path: string, accept: string): Promise<Response> {
  return fetch(gateway.url + path, { headers: { ...as('viewer'), accept } })
}

async function inTurn<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>) {
  const results: Result[] = []
  for (const item of items) results.push(await work(item))
  return results
}
