/** The JSON Schemas at /schemas: each can be compiled and found, and every event that the gateway writes satisfies its own. */
import { Ajv2020 } from 'ajv/dist/2020.js'
import ajvFormats from 'ajv-formats'
import t from 'tap'
import { EVENTS } from '../../../src/log/event-catalogue.js'
import { NOTICES } from '../../../src/log/notice-catalogue.js'
import { as, publish } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'
import { attempt, expire, startJobs } from '../jobs/service.js'
import { storeWebhook } from '../webhooks/stored-webhook.js'

interface Index {
  readonly events: readonly { readonly type: string; readonly schema: string }[]
  readonly notices: readonly { readonly name: string; readonly schema: string }[]
  readonly event: string
  readonly redacted: string
}
interface Schema {
  readonly $id: string
  readonly examples?: readonly unknown[]
}

const service = await startJobs(t, { env: { MAX_QUEUE_AGE: '3600' } })
const { url } = service.gateways[0]
const index = (await (await fetch(`${url}/schemas`)).json()) as Index
const paths = [...index.events, ...index.notices]
  .map(({ schema }) => schema)
  .concat(index.event, index.redacted)
const schemas = await Promise.all(
  paths.map(async path => {
    const response = await fetch(url + path)
    return { path, type: response.headers.get('content-type'), schema: (await response.json()) as Schema }
  }),
)
const ajv = ajvFormats.default(
  new Ajv2020({ strict: true, strictTypes: false, allowUnionTypes: true, keywords: ['x-sluice-messages'] }),
)
for (const { schema } of schemas) ajv.addSchema(schema)

t.test('the index has every type and every notice', async t => {
  t.strictSame(
    index.events.map(({ type }) => type),
    Object.keys(EVENTS),
  )
  t.strictSame(
    index.notices.map(({ name }) => name),
    Object.keys(NOTICES),
  )
})

t.test('each schema is valid, is found at its $id, and accepts its examples', async t => {
  const faults = schemas.flatMap(({ path, type, schema }) => {
    const validate = ajv.getSchema(schema.$id)
    const refused = (schema.examples ?? []).filter(example => validate?.(example) !== true)
    return [
      ...(validate ? [] : [`${path} cannot be compiled.`]),
      ...(schema.$id === path ? [] : [`${path} says that it is ${schema.$id}.`]),
      ...(type?.startsWith('application/schema+json') ? [] : [`${path} is served as ${type}.`]),
      ...refused.map(example => `${path} refuses its example ${JSON.stringify(example)}.`),
    ]
  })

  t.ok(schemas.length > 20)
  t.strictSame(faults, [])
})

t.test('every event that the gateway writes satisfies the schema of its type', async t => {
  await writeItems()
  await writeJobs()
  await writePresence()
  const [redacted = ''] = await publish(service.gateways[0], {
    type: 'output',
    data: { line: 'secret', stream: 'stdout' },
  })
  await service.as('admin').post(`/api/events/${redacted}/redact`, { reason: 'request 118' })
  await service.pool.query(`
    select sluice.create_durable('acme', 'chat/7', 'text/plain', null, null, null, false, null, null, null, null, null,
        '{"{\\"text\\":\\"Hello\\"}"}', 'ada', null);
    select sluice.publish('acme', 'chat/7', 'chunk.cancel', '{"reason":"stopped by the user"}')`)
  await service.pool.query(`
    select sluice.announce_lag(c, 12, 3605.4, false)
      from sluice.streams s, sluice.create_consumer('acme', gen_random_uuid(), 'pull', 'mail', 'feed', s.id, null, null, null, 30000,
        256, 0, gen_random_uuid(), true, 'ada') c
     where s.workspace = 'acme' and s.name = 'feed'`)
  const webhook = await storeWebhook(service.pool, 'acme')
  for (const [state, reason] of [
    ['paused', 'exhausted'],
    ['active', null],
    ['disabled', 'gone'],
  ])
    await service.pool.query(`select sluice.set_webhook_state('acme', $1, $2, $3)`, [webhook, state, reason])

  const { rows } = await service.pool.query<{ type: string; data: string }>(
    `select e.type, e.data from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.workspace = 'acme'`,
  )

  const written = rows.filter(({ type }) => Object.hasOwn(EVENTS, type))
  const wrong = written.filter(
    ({ type, data }) => ajv.validate(`/schemas/events/${type}.json`, JSON.parse(data)) !== true,
  )
  t.strictSame(wrong, [])
  t.strictSame([...new Set(written.map(({ type }) => type))].sort(), Object.keys(EVENTS).sort())
  t.notOk(ajv.validate('/schemas/events/item.updated.json', { part_number: 'A01' }))
})

t.test('a page of events satisfies the schema of an event', async t => {
  await publish(service.gateways[0], { type: 'order.placed', data: { order: 7 } })
  const response = await fetch(`${url}/api/events`, {
    headers: { ...as('viewer'), accept: 'application/json' },
  })
  const { events } = (await response.json()) as { events: unknown[] }

  t.ok(events.length > 0)
  t.strictSame(
    events.filter(event => ajv.validate(index.event, event) !== true),
    [],
  )
})

t.test('a client that has a document gets 304, and what does not exist is 404', async t => {
  const statuses: unknown[] = []
  for (const path of ['/schemas', paths[0], '/asyncapi.json', '/openapi.json', '/docs/streams']) {
    const first = await fetch(url + path)
    const again = await fetch(url + path, { headers: { 'if-none-match': first.headers.get('etag') ?? '' } })
    statuses.push([first.status, again.status, await again.text(), first.headers.get('cache-control')])
  }
  const missing = await fetch(`${url}/schemas/events/none.json`)

  t.strictSame(statuses, Array(5).fill([200, 304, '', 'no-cache']))
  t.match(await missing.json(), { status: 404, code: 'not-found' })
})

/** Each change of an item. */
async function writeItems(): Promise<void> {
  const send = (method: string, path: string, body?: object) =>
    fetch(`${url}/api/items${path}`, {
      method,
      headers: { ...as('editor'), ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    })
  await send('POST', '', { part_number: 'A01', description: 'Bracket', item_type: 'part' })
  await send('PATCH', '/A01', { description: 'Bracket, left' })
  await send('POST', '/A01/revisions', { comment: 'Moved' })
  await send('DELETE', '/A01')
}

/** A principal joins when it follows a stream with the option, and leaves when the option is removed. */
async function writePresence(): Promise<void> {
  const presence = async (value: boolean) => {
    const response = await fetch(`${url}/api/streams/feed`, {
      method: 'PATCH',
      headers: { ...as('admin'), 'content-type': 'application/json' },
      body: JSON.stringify({ presence: value }),
    })
    t.equal(response.status, 200)
  }
  const written = async (type: string) =>
    (await service.pool.query('select from sluice.events where type = $1', [type])).rowCount !== 0
  const leave = new AbortController()
  await presence(true)
  await fetch(`${url}/api/events`, {
    headers: { ...as('viewer'), accept: 'text/event-stream' },
    signal: leave.signal,
  })
  await until('a principal that joins', () => written('presence.joined'))
  await presence(false)
  await until('a principal that leaves', () => written('presence.left'))
  leave.abort()
}

/** A job for each way to end, one that goes back to its queue before, and one whose lease expires. */
async function writeJobs(): Promise<void> {
  const editor = service.as('editor')
  for (const end of ['complete', 'fail', 'abort', 'cancel']) {
    const { id } = await service.create({ started: true })
    await editor.post(`/api/jobs/${id}/events`, { type: 'output', data: { line: 'ok 1', stream: 'stdout' } })
    await editor.post(`/api/jobs/${id}/${end}`, end === 'cancel' ? undefined : {})
  }
  const { id } = await service.create({ max_attempts: 1 })
  await service.claim()
  await service.as('runner').post(`/api/jobs/${id}/release`, undefined, attempt(1))
  await service.claim()
  await expire(service.pool, id)
  await until('the job has been interrupted', async () => {
    const { body } = await service.as('viewer').get(`/api/jobs/${id}`)
    return body.status === 'interrupted'
  })
}
