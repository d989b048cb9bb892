/** The routes of webhooks: what admins can do with them, what others cannot, and that no secret leaves the gateway twice. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { Writable } from 'node:stream'
import { Webhook } from 'standardwebhooks'
import t from 'tap'
import { inTransaction } from '../../../src/database/pool.js'
import { recordDeliveries } from '../../../src/webhooks/delivery-records.js'
import type { WebhookId } from '../../../src/webhooks/webhook.js'
import type { CreatedWebhook, WebhookDocument } from '../../../src/webhooks/webhook-document.js'
import { createDatabase } from '../../harness/database.js'
import { as, publish, startGateway } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'
import { claim } from '../webhooks/stored-webhook.js'

const SECRET_VALUE = 'Bearer of-the-receiver-0123456789'
const QUERY_SECRET = 'in-the-query-0123456789'
const NO_WEBHOOK = '/api/webhooks/00000000-0000-4000-8000-000000000000'

interface Got {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

const { url: databaseUrl, pool } = await createDatabase(t)
let log = ''
const lines = new Writable({
  write(chunk, _, done) {
    log += chunk
    done()
  },
})
// The deliverer must not deliver what these tests look at.
const env = { WEBHOOKS: 'off', LOG_LEVEL: 'trace', ACCESS_LOG: 'on' }
const gateway = await startGateway(t, { databaseUrl, env, log: lines })
const got: Got[] = []
const receiver = createServer((request, response) => {
  let body = ''
  request.setEncoding('utf8')
  request.on('data', chunk => {
    body += chunk
  })
  request.on('end', () => {
    got.push({ headers: request.headers, body })
    if (request.url === '/stall') return
    const status = Number(new URL(request.url ?? '/', 'http://x').searchParams.get('status') ?? 204)
    response.writeHead(status).end(status === 204 ? undefined : 'no, thanks')
  })
})
receiver.listen(0, '127.0.0.1')
await once(receiver, 'listening')
t.teardown(() => receiver.close())
const { port } = Object(receiver.address())
const target = `http://127.0.0.1:${port}/hook?key=${QUERY_SECRET}`
const [first = '', second = '', third = ''] = await publish(gateway, [
  { type: 'thing.made', data: { n: 1 } },
  { type: 'thing.made', data: { n: 2 } },
  { type: 'thing.made', data: { n: 3 } },
])

async function send(method: string, path: string, body?: unknown, headers: object = as('admin')) {
  const response = await fetch(`${gateway.url}${path}`, {
    method,
    headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, text, body: text === '' ? undefined : JSON.parse(text) }
}

async function create(given: object = {}): Promise<CreatedWebhook> {
  const { status, body, text } = await send('POST', '/api/webhooks', { url: target, ...given })
  if (status !== 201) throw new Error(text)
  return body
}

async function read(id: string): Promise<WebhookDocument> {
  return (await send('GET', `/api/webhooks/${id}`)).body
}

/** Of the audit log, newest first. */
async function actionsOn(id: string): Promise<string[]> {
  const { entries } = (await send('GET', '/api/audit?limit=200')).body
  return entries
    .filter(({ details }: { details: { webhook?: string } }) => details.webhook === id)
    .map(({ action }: { action: string }) => action)
}

/** The rows of a webhook, in all of its tables. */
async function rowsOf(id: string): Promise<number> {
  const tables = ['secrets', 'attempts', 'waiting', 'dead_letters', 'replays']
  const counts = tables.map(table => `(select count(*) from sluice.webhook_${table} where webhook_id = $1)`)
  const { rows } = await pool.query(`select (${counts.join(' + ')})::integer as n`, [id])
  return rows[0]?.n
}

t.test('a webhook is created with defaults, is listed, and shows its secret once', async t => {
  const made = await create({ types: 'thing.*', headers: { 'X-Key': SECRET_VALUE }, description: 'orders' })
  const { secret, ...document } = made
  const found = await read(made.id)
  const page = await send('GET', '/api/webhooks?limit=1&stream=feed&state=active')

  t.match(secret, /^whsec_[A-Za-z0-9+/]{43}=$/)
  t.match(document, {
    url: target,
    stream: 'feed',
    types: 'thing.*',
    where: null,
    form: 'standard',
    order: 'ordered',
    max_in_flight: 10,
    on_exhausted: 'pause',
    header_names: ['x-key'],
    state: 'active',
    state_reason: null,
    lag: { events: 0, seconds: 0 },
    failing: null,
    dead_letters: 0,
    replay: null,
    last_attempt: null,
    secrets: [{ expires_at: null }],
    created_by: 'admin-of-acme',
  })
  t.strictSame(found, document)
  t.strictSame(page.body, { webhooks: [found], next_cursor: page.body.next_cursor })
  t.strictSame((await send('GET', '/api/webhooks?stream=orders')).body.webhooks, [])
  await send('DELETE', `/api/webhooks/${made.id}`)
})

t.test('the list goes on after a cursor, newest first', async t => {
  const ids = [(await create()).id, (await create({ enabled: false })).id, (await create()).id].reverse()

  const pages: string[][] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const { body } = await send('GET', `/api/webhooks?limit=2${cursor && `&cursor=${cursor}`}`)
    pages.push(body.webhooks.map(({ id }: WebhookDocument) => id))
    cursor = body.next_cursor
  }
  const paused = await send('GET', '/api/webhooks?state=paused')

  t.strictSame(pages, [ids.slice(0, 2), ids.slice(2)])
  t.match(paused.body.webhooks, [{ id: ids[1], state_reason: 'by-admin' }])
  for (const id of ids) await send('DELETE', `/api/webhooks/${id}`)
})

t.test('what a webhook cannot have is refused, and nothing is stored', async t => {
  const refused: Readonly<Record<string, [object, number, string]>> = {
    'an inner address': [{ url: 'https://10.0.0.1/' }, 400, 'invalid-request'],
    'http to a public host': [{ url: 'http://192.0.2.1/' }, 400, 'invalid-request'],
    'a user in the URL': [{ url: 'https://a:b@example.com/' }, 400, 'invalid-request'],
    'no URL': [{ url: 'nowhere' }, 400, 'invalid-request'],
    'a header of ours': [{ url: target, headers: { 'Webhook-Id': 'x' } }, 400, 'invalid-request'],
    'a header twice': [{ url: target, headers: { 'x-a': '1', 'X-A': '2' } }, 400, 'invalid-request'],
    'a header with a line feed': [
      { url: target, headers: { 'x-a': `${SECRET_VALUE}\nb` } },
      400,
      'invalid-request',
    ],
    'types that are none': [{ url: target, types: 'a,,b' }, 400, 'invalid-types'],
    'a condition that is none': [{ url: target, where: 'data.' }, 400, 'invalid-where'],
    'a stream that is not there': [{ url: target, stream: 'nowhere' }, 404, 'not-found'],
    'a start that is no place': [{ url: target, start: 'yesterday' }, 400, 'invalid-event-id'],
    'a start that the log does not have': [{ url: target, start: '9000.aaaaaa' }, 410, 'history-lost'],
    'a member that is unknown': [{ url: target, secret: 'whsec_x' }, 400, 'invalid-request'],
    'too much in flight': [{ url: target, max_in_flight: 101 }, 400, 'invalid-request'],
  }

  const wrong: unknown[] = []
  for (const [what, [given, status, code]] of Object.entries(refused)) {
    const answer = await send('POST', '/api/webhooks', given)
    if (answer.status !== status || answer.body.code !== code) wrong.push([what, answer])
    if (answer.text.includes(SECRET_VALUE)) wrong.push([what, 'shows the value of a header'])
  }

  t.strictSame(wrong, [])
  t.strictSame((await send('GET', '/api/webhooks')).body.webhooks, [])
})

t.test('a change replaces what it names, and the deliverer notices it', async t => {
  const { id, cursor } = await create({ start: first, headers: { 'x-key': SECRET_VALUE }, types: 'thing.*' })
  const revision = () =>
    pool
      .query('select revision from sluice.webhooks where id = $1', [id])
      .then(({ rows }) => rows[0]?.revision)
  const before = await revision()

  const changed = await send('PATCH', `/api/webhooks/${id}`, {
    order: 'parallel',
    max_in_flight: 3,
    types: null,
  })
  const wrong = await send('PATCH', `/api/webhooks/${id}`, { url: 'https://169.254.169.254/' })
  const removed = await send('PATCH', `/api/webhooks/${id}`, { headers: {} })

  t.match(changed.body, { order: 'parallel', max_in_flight: 3, types: null, cursor, header_names: ['x-key'] })
  t.match(changed.body.lag, { events: 2 })
  t.match(wrong, { status: 400, body: { code: 'invalid-request' } })
  t.match(removed.body, { header_names: [] })
  t.ok((await revision()) > before)
  await send('DELETE', `/api/webhooks/${id}`)
})

t.test('the headers of a webhook do not follow it to another server unless they are sent again', async t => {
  const { id } = await create({ headers: { 'x-key': SECRET_VALUE } })
  const url = 'https://hooks.example.com/mine'
  const change = (body: object) => send('PATCH', `/api/webhooks/${id}`, body)

  const kept = await change({ url })
  const samePlace = await change({ url: `${target}&more` })
  const removed = await change({ url, headers: {} })

  t.match(kept, { status: 400, body: { code: 'invalid-request', errors: [{ path: 'body/headers' }] } })
  t.match(samePlace, { status: 200, body: { url: `${target}&more`, header_names: ['x-key'] } })
  t.match(removed, { status: 200, body: { url, header_names: [] } })
  await send('DELETE', `/api/webhooks/${id}`)
})

t.test('a test is sent at once, signed by each secret, and is in the list of deliveries', async t => {
  const { id, secret } = await create({ headers: { 'x-key': SECRET_VALUE } })
  const rotated = await send('POST', `/api/webhooks/${id}/rotate-secret`)
  got.length = 0

  const tested = await send('POST', `/api/webhooks/${id}/test`)
  const { deliveries } = (await send('GET', `/api/webhooks/${id}/deliveries`)).body

  const [{ headers, body } = { headers: {}, body: '' }] = got
  const signed = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
  for (const one of [secret, rotated.body.secret]) t.ok(new Webhook(one).verify(body, signed))
  t.match(headers, { 'x-key': SECRET_VALUE, 'sluice-webhook': id, 'webhook-id': tested.body.event_uuid })
  t.match(JSON.parse(body), { type: 'webhook.test', data: { webhook_id: id, state: 'active' } })
  t.match(tested, { status: 200, body: { outcome: 'delivered', status: 204, test: true, event_id: null } })
  t.strictSame(deliveries, [tested.body])
  t.match((await read(id)).last_attempt, null, 'no event was tried')
  const [newer, older] = (await read(id)).secrets
  t.match([newer, older], [{ id: rotated.body.id, expires_at: null }, { expires_at: String }])
  const overlapMs = Date.parse(older?.expires_at ?? '') - Date.parse(newer?.created_at ?? '')
  t.equal(Math.round(overlapMs / 3_600_000), 24)

  await pool.query(
    `update sluice.webhook_secrets set expires_at = clock_timestamp() - interval '1 s' where id = $1`,
    [older?.id],
  )
  await send('POST', `/api/webhooks/${id}/test`)
  t.match(got[1]?.headers['webhook-signature'], /^v1,\S+$/, 'only the secret that has not expired signs')
  t.strictSame((await read(id)).secrets, [newer])

  const refusing = await create({ url: `http://127.0.0.1:${port}/?status=500` })
  const failed = await send('POST', `/api/webhooks/${refusing.id}/test`)
  t.match(failed.body, { outcome: 'failed', status: 500, error: 'status', answer: 'no, thanks' })

  const ended = await send('POST', `/api/webhooks/${id}/rotate-secret`, { overlap: 0 })
  t.strictSame(
    (await read(id)).secrets.map(one => one.id),
    [ended.body.id],
  )
  for (const one of [id, refusing.id]) await send('DELETE', `/api/webhooks/${one}`)
})

t.test(
  'a test whose caller disconnects is in the audit log, because the receiver may have got it',
  async t => {
    const { id } = await create({ url: `http://127.0.0.1:${port}/stall` })
    got.length = 0
    const leaving = new AbortController()
    const cut = fetch(`${gateway.url}/api/webhooks/${id}/test`, {
      method: 'POST',
      headers: as('admin'),
      signal: leaving.signal,
    })
    await until('the receiver has it', () => got.length === 1)
    leaving.abort()
    await t.rejects(cut)

    const entry = async () => {
      const { entries } = (await send('GET', '/api/audit?limit=200')).body
      return entries.find(
        ({ action, details }: { action: string; details: { webhook?: string } }) =>
          action === 'webhook.tested' && details.webhook === id,
      )
    }
    await until('its entry', async () => (await entry()) !== undefined)

    t.match(await entry(), { principal: 'admin-of-acme', details: { outcome: 'aborted' } })
    await send('DELETE', `/api/webhooks/${id}`)
  },
)

t.test('a pause and a resume are events of the feed, and happen once', async t => {
  const { id } = await create()
  const states: unknown[] = []
  for (const verb of ['pause', 'pause', 'resume', 'resume']) {
    states.push((await send('POST', `/api/webhooks/${id}/${verb}`)).body.state)
  }

  const { rows } = await pool.query(
    `select e.type, e.data from sluice.events e where e.type like 'webhook.%' and e.data ->> 'webhook_id' = $1 order by e.position`,
    [id],
  )
  t.strictSame(states, ['paused', 'paused', 'active', 'active'])
  t.strictSame(
    rows.map(({ type, data }) => [type, JSON.parse(data).reason]),
    [
      ['webhook.paused', 'by-admin'],
      ['webhook.resumed', 'by-admin'],
    ],
  )
  t.strictSame(await actionsOn(id), ['webhook.resumed', 'webhook.paused', 'webhook.created'])
  const forged = await send('POST', '/api/events', { type: 'webhook.paused', data: {} }, as('editor'))
  t.match(forged.body, { code: 'reserved-type' })
  await send('DELETE', `/api/webhooks/${id}`)
})

t.test('attempts are paged and filtered, and the event of one is sent again', async t => {
  const { id } = await create({ start: 'beginning', on_exhausted: 'skip' })
  const { epoch } = await claim(pool, id as WebhookId)
  const { rows } = await pool.query(
    'select e.position, e.event_id from sluice.events e where e.position < 4 order by 1',
  )
  const attempts = rows.map(({ position, event_id }, n) => ({
    webhook: id as WebhookId,
    position,
    eventId: event_id,
    type: 'thing.made',
    attempt: 1,
    at: new Date(1_900_000_000_000 + n),
    outcome: (['delivered', 'failed', 'dead'] as const)[n] ?? 'failed',
    status: 200 + n,
    milliseconds: 3,
    error: undefined,
    answer: undefined,
    nextTryAt: undefined,
    lane: 'live' as const,
  }))
  const dead = [2, 3].map(position => ({
    position,
    eventId: rows[position - 1]?.event_id,
    type: 'thing.made',
    attempts: 11,
    status: 199 + position,
    error: 'x',
  }))
  const change = { id: id as WebhookId, epoch, workspace: 'acme', waiting: [], settled: [], dead }
  await inTransaction(pool, client => recordDeliveries(client, { attempts, changes: [change] }))
  const list = async (query: string) => (await send('GET', `/api/webhooks/${id}/deliveries?${query}`)).body
  const statuses = async (query: string) =>
    (await list(query)).deliveries.map((one: { status: number }) => one.status)

  const page = await list('limit=2')
  const rest = await list(`limit=2&cursor=${page.next_cursor}`)
  const filtered = [
    await statuses('outcome=failed'),
    await statuses('outcome=delivered'),
    await statuses(`event=${second}`),
    await statuses(`event=${second}&outcome=dead`),
  ]
  const letters = await send('GET', `/api/webhooks/${id}/dead-letters`)
  const before = (await read(id)).dead_letters
  const retry = (delivery: string) => send('POST', `/api/webhooks/${id}/deliveries/${delivery}/retry`)
  const twice = [await retry(page.deliveries[0].id), await retry(page.deliveries[0].id)]
  const between = (await read(id)).dead_letters
  const all = await send('POST', `/api/webhooks/${id}/dead-letters/retry`)
  const again = await retry(rest.deliveries[0].id)
  const unknown = await retry(randomUUID())
  const waiting = await pool.query(
    'select lane, position, attempts from sluice.webhook_waiting where webhook_id = $1 order by position',
    [id],
  )

  t.strictSame(
    [...page.deliveries, ...rest.deliveries].map(({ status }) => status),
    [202, 201, 200],
  )
  t.equal(rest.next_cursor, null)
  t.strictSame(filtered, [[201], [200], [201], []])
  t.match(letters.body, {
    dead_letters: [{ status: 201 }, { attempts: 11, status: 202, error: 'x' }],
    next_cursor: null,
  })
  t.strictSame([before, between, all.body, again.status, unknown.status], [2, 1, { retried: 1 }, 202, 404])
  t.match(twice, [{ status: 202 }, { status: 202 }])
  t.strictSame(
    waiting.rows,
    [1, 2, 3].map(position => ({ lane: 'retry', position, attempts: 0 })),
  )
  t.equal((await read(id)).dead_letters, 0)
  t.strictSame(await actionsOn(id), [...Array(4).fill('webhook.retried'), 'webhook.created'])
  t.ok((await rowsOf(id)) > 0)
  await send('DELETE', `/api/webhooks/${id}`)
  t.equal(await rowsOf(id), 0)
})

t.test('a replay covers what lies before the cursor, one at a time', async t => {
  const { id, cursor } = await create()
  const replay = (body: object) => send('POST', `/api/webhooks/${id}/replay`, body)

  const late = await replay({ from: cursor })
  const started = await replay({ from: first, to: second })
  const other = await replay({ from: 'beginning' })
  await pool.query(
    `insert into sluice.webhook_waiting (webhook_id, lane, position, workspace, event_id)
     values ($1, 'replay', 2, 'acme', gen_random_uuid()), ($1, 'live', 4, 'acme', gen_random_uuid())`,
    [id],
  )
  const stopped = await send('DELETE', `/api/webhooks/${id}/replay`)
  const waiting = await pool.query('select lane from sluice.webhook_waiting where webhook_id = $1', [id])
  const from = await replay({ from: '2000-01-01T00:00:00Z' })

  t.match(late, { status: 400, body: { code: 'invalid-request' } })
  t.match(started, {
    status: 202,
    body: { state: 'running', from: first, to: second, at: first, ended_at: null },
  })
  t.match(other, { status: 409, body: { code: 'replay-running' } })
  t.equal(stopped.status, 204)
  t.match(from, { status: 202, body: { to: cursor } })
  t.match(from.body.from, /^0\./)
  t.strictSame(waiting.rows, [{ lane: 'live' }], 'what the replay has left waiting is given up with it')
  const [replayed, replayStopped] = ['webhook.replayed', 'webhook.replay-stopped']
  t.strictSame(await actionsOn(id), [replayed, replayStopped, replayed, 'webhook.created'])
  const behind = await create({ start: second })
  const past = await send('POST', `/api/webhooks/${behind.id}/replay`, { from: first, to: third })
  t.match(past.body, { from: first, to: second }, 'what lies after the cursor is sent anyway')
  for (const one of [id, behind.id]) await send('DELETE', `/api/webhooks/${one}`)
})

t.test('only admins without grants of the same workspace reach a webhook', async t => {
  const { id } = await create()
  const path = `/api/webhooks/${id}`
  const requests: [string, string, object?][] = [
    ['GET', path],
    ['PATCH', path, { description: 'mine' }],
    ['POST', `${path}/test`],
    ['POST', `${path}/pause`],
    ['POST', `${path}/resume`],
    ['POST', `${path}/rotate-secret`],
    ['POST', `${path}/replay`, { from: 'beginning' }],
    ['DELETE', `${path}/replay`],
    ['GET', `${path}/deliveries`],
    ['POST', `${path}/deliveries/${randomUUID()}/retry`],
    ['GET', `${path}/dead-letters`],
    ['POST', `${path}/dead-letters/retry`],
    ['DELETE', path],
  ]

  const wrong: unknown[] = []
  for (const [method, at, body] of requests) {
    const rival = await send(method, at, body, as('admin', 'rival'))
    const missing = await send(method, at.replace(path, NO_WEBHOOK), body)
    const editor = await send(method, at, body, as('editor'))
    if (rival.status !== 404 || missing.status !== 404 || editor.status !== 403) {
      wrong.push([method, at, rival.status, missing.status, editor.status])
    }
  }

  t.strictSame(wrong, [])
  t.strictSame((await send('GET', '/api/webhooks', undefined, as('admin', 'rival'))).body.webhooks, [])
  t.match(await read(id), { id, description: null, state: 'active' })
  await send('DELETE', path)
})

t.test('neither log nor audit nor feed nor database has a secret, and each act has an entry', async t => {
  const { id, secret } = await create({ headers: { 'x-key': SECRET_VALUE } })
  const rotated = await send('POST', `/api/webhooks/${id}/rotate-secret`)
  await send('POST', `/api/webhooks/${id}/test`)
  await send('PATCH', `/api/webhooks/${id}`, { headers: { 'x-key': SECRET_VALUE }, url: `${target}&more` })
  await send('POST', `/api/webhooks/${id}/pause`)
  const answers = [
    await send('GET', `/api/webhooks/${id}`),
    await send('GET', `/api/webhooks/${id}/deliveries`),
  ]
  await send('DELETE', `/api/webhooks/${id}`)
  const actions = await actionsOn(id)
  const audit = await send('GET', '/api/audit?limit=200')
  const exported = await fetch(`${gateway.url}/api/workspace/export`, { headers: as('admin') }).then(all =>
    all.text(),
  )
  const stored = await pool.query('select row_to_json(s)::text as row from sluice.webhook_secrets s')
  const events = await pool.query('select e.data::text as row from sluice.events e')

  const places = {
    log,
    audit: audit.text,
    answers: answers.map(({ text }) => text).join(),
    exported,
    stored: stored.rows.map(({ row }) => Buffer.from(row).toString()).join(),
    events: events.rows.map(({ row }) => row).join(),
  }
  const secrets = [secret, secret.slice(6), rotated.body.secret, SECRET_VALUE]
  const leaks = Object.entries(places).flatMap(([place, text]) =>
    secrets.filter(one => text.includes(one)).map(one => [place, one]),
  )
  t.strictSame(leaks, [])
  t.ok(log.includes('/api/webhooks'), 'the log has the requests')
  t.notOk(`${places.audit}${places.events}${log}`.includes(QUERY_SECRET), 'nor the query of the URL')
  t.strictSame(actions, [
    'webhook.deleted',
    'webhook.paused',
    'webhook.changed',
    'webhook.tested',
    'webhook.secret-rotated',
    'webhook.created',
  ])
})
