/**
 * Ids of another workspace in every place where a caller can put one. Each must get exactly what an id gets that
 * nobody has: the same status, the same body, the same headers; otherwise the answer says what exists elsewhere (I7).
 */
import t from 'tap'
import { openStream } from '../../harness/event-stream.js'
import { as, BEHIND_PROXY, type Gateway, publish } from '../../harness/gateway.js'
import { gatewayWithRoutes, NO_ID, type Route } from '../../harness/routes.js'
import { until } from '../../harness/until.js'

interface Ask {
  readonly method?: string
  readonly role?: 'viewer' | 'editor' | 'admin' | 'runner'
  readonly workspace?: string
  readonly body?: object
  readonly headers?: Readonly<Record<string, string>>
}

/** Bodies that would do, so that the id decides and not the schema. */
const BODIES: Readonly<Record<string, object>> = {
  'PATCH /api/items/:part_number': { description: 'Taken over' },
  'POST /api/items/:part_number/revisions': { comment: 'Taken over' },
  'PATCH /projects/:id': { members: [] },
  'PATCH /api/streams/:name': { max_events: 1 },
  'PATCH /api/keys/:id': { grants: null },
  'POST /api/events/:id/redact': { reason: 'Taken over' },
  'POST /api/consumers/:name/seek': { to: 'now' },
  'POST /api/consumers/:name/ack': { id: '1' },
  'PATCH /api/webhooks/:id': { description: 'Taken over' },
  'POST /api/webhooks/:id/replay': { from: 'beginning' },
  'POST /v1/stream/__ds/subscriptions/:id/claim': { worker: 'taker-1' },
  'POST /v1/stream/__ds/subscriptions/:id/streams': { streams: ['own'] },
  'POST /api/jobs/:id/heartbeat': { attempt: 1 },
  'POST /api/jobs/:id/events': { type: 'output', data: { line: 'Taken over' } },
  'POST /api/executions/:executionId/events': { type: 'agent-chatter', data: { agent: 'a', message: 'm' } },
}
/** Not ids: names that each workspace has for itself, and files behind a signature. */
const NO_IDS = [
  '/projects/:id/shell',
  '/api/v1/artifacts/:workspace/*',
  '/api/events/:id',
  'PUT /api/consumers/:name',
  'PUT /v1/stream/__ds/subscriptions/:id',
]

/** One token each: two of different seconds would show different ends. */
const tokens = new Map<string, { authorization: string }>()

const gateway = await gatewayWithRoutes(t, { env: BEHIND_PROXY })
const globex = await settle(gateway, 'globex')
await settle(gateway, 'acme', 'OWN')

t.test('in a path, an id of another workspace is as unknown as one that does not exist', async t => {
  const before = await inventory(gateway, globex)

  let pairs = 0
  for (const route of gateway.routes) {
    const isId = ![route.url, `${route.method} ${route.url}`].some(name => NO_IDS.includes(name))
    if (route.roles === 'public' || !route.url.includes(':') || !isId) continue
    for (const role of route.roles) {
      const foreign = await askRoute(gateway, route, role, id => globex.idFor(route.url, id))
      const unknown = await askRoute(gateway, route, role, id => unknownFor(route.url, id))
      t.strictSame(foreign, unknown, `${route.method} ${route.url} as ${role}`)
      // The process that has the stream is unknown here, so a renewal is broadcast: 202 says no more than that.
      const fine = route.url === '/api/streams/:connection/token' ? 202 : 404
      t.equal(foreign.status, fine, `${route.method} ${route.url} as ${role} is not refused for its form`)
      pairs += 1
    }
  }

  t.strictSame(await inventory(gateway, globex), before, 'nothing of theirs has changed')
  t.ok(pairs > 20, `${pairs} pairs`)
})

t.test('in a query, a header or a body, an id of another workspace is as unknown', async t => {
  const theirs = globex.eventId
  const nobodys = theirs.replace(/.$/, last => (last === 'a' ? 'b' : 'a'))
  const page = { accept: 'application/json' }
  const pairs: [name: string, foreign: string, unknown: string, ask?: Ask, withUnknown?: Ask][] = [
    ['an event', `/api/events/${theirs}`, `/api/events/${nobodys}`],
    ['a stream', '/api/events?stream=plans', '/api/events?stream=nothing', { headers: page }],
    ['a stream, live', '/api/events?stream=plans', '/api/events?stream=nothing'],
    [
      'the latest values of a stream',
      '/api/latest?key=data.id&stream=plans',
      '/api/latest?key=data.id&stream=nothing',
    ],
    [
      'the redaction of a stream',
      '/api/events/redact?stream=plans',
      '/api/events/redact?stream=nothing',
      { method: 'POST', role: 'admin', body: { where: 'data.n exists', reason: 'Taken over' } },
    ],
    ['an event of a stream', '/api/events/1?stream=plans', '/api/events/1?stream=nothing'],
    ['a cursor', `/api/events?after=${theirs}`, `/api/events?after=${nobodys}`, { headers: page }],
    ['a command', command(globex.command), command(NO_ID)],
    ['a job’s stream by name', stream(globex.job), stream(NO_ID), { headers: page }],
    ['a project', '/api/jobs?project=skunkworks', '/api/jobs?project=nothing'],
    ['a search', '/api/items?search=SECRET', '/api/items?search=NOTHING'],
    ['a type', '/api/items?item_type=SECRET', '/api/items?item_type=nothing'],
    [
      'an ETag',
      `/api/items/${globex.item}`,
      `/api/items/${globex.item}`,
      { headers: { 'if-none-match': globex.etag } },
      { headers: { 'if-none-match': '"0"' } },
    ],
    [
      'an ETag on a change',
      `/api/items/${globex.item}`,
      `/api/items/${globex.item}`,
      { method: 'DELETE', role: 'editor', headers: { 'if-match': globex.etag } },
      { method: 'DELETE', role: 'editor', headers: { 'if-match': '"0"' } },
    ],
  ]

  for (const [name, foreign, unknown, given = {}, withUnknown = given] of pairs) {
    const answers = [await ask(gateway, foreign, given), await ask(gateway, unknown, withUnknown)]
    t.strictSame(answers[0], answers[1], name)
  }
})

// Attack: a client brings the id of an event of others, and learns from `reset` whether it exists.
t.test('a Last-Event-ID of another workspace gets the same reset as one that does not exist', async t => {
  const nobodys = globex.eventId.replace(/.$/, last => (last === 'a' ? 'b' : 'a'))

  const resets = await Promise.all(
    [globex.eventId, nobodys].map(async id => {
      const headers = { ...as('viewer'), accept: 'application/x-ndjson', 'last-event-id': id }
      const stream = await openStream(t, `${gateway.url}/api/events`, { headers })
      const reset = () =>
        stream
          .text()
          .split('\n')
          .find(line => line.includes('"reset"'))
      await until('the reset', () => reset() !== undefined)
      return reset()
    }),
  )

  t.match(resets[0], 'history-lost')
  t.equal(resets[0], resets[1])
})

// Attack: somebody with the id of a connection renews it with credentials of their own, and the stream is theirs.
t.test('only its own principal renews an open stream', async t => {
  const stream = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer', 'globex') })
  const [hello] = await stream.until(1)
  const { connection } = JSON.parse(hello?.data ?? '{}')

  for (const [role, workspace] of [
    ['viewer', 'acme'],
    ['admin', 'acme'],
    ['admin', 'globex'],
  ] as const) {
    await ask(gateway, `/api/streams/${connection}/token`, { method: 'POST', role, workspace })
  }
  await publish(gateway, { type: 'fence', data: {} }, { workspace: 'globex' })

  await stream.until(1, 'fence')
  t.notMatch(stream.text(), 'auth-renewed')
})

// Attack: a caller guesses the idempotency key of somebody elsewhere, and gets their receipt.
t.test('an idempotency key belongs to one principal', async t => {
  const send = (workspace: string) =>
    ask(gateway, '/api/events', {
      method: 'POST',
      role: 'editor',
      workspace,
      body: { type: 'a.b', data: {} },
      headers: { 'idempotency-key': 'same' },
    })

  const [first, second] = [await send('globex'), await send('acme')]

  t.same([first?.status, second?.status], [201, 201])
  t.notMatch(second?.headers, { 'idempotency-replayed': 'true' })
  t.not(first?.body, second?.body)
})

// Attack: a runner asks for work, and is handed the commands of another workspace.
t.test('a runner is offered no job of another workspace, by whatever name', async t => {
  for (const filter of [{}, { projects: ['skunkworks'] }, { kinds: ['command', 'build'] }]) {
    const claim = {
      method: 'POST',
      role: 'runner',
      workspace: 'initech',
      body: { runner: 'build-1', ...filter },
    } as const
    t.equal((await ask(gateway, '/api/jobs/claim', claim)).status, 204, JSON.stringify(filter))
  }
})

// Attack: the workspace is named where a careless handler might look for it.
t.test('no field, parameter or header names the workspace', async t => {
  const workspace = 'initech'
  const empty = await ask(gateway, '/api/items', { workspace })

  const named = [
    await ask(gateway, '/api/items', {
      workspace,
      headers: { 'x-workspace': 'globex', 'x-tenant-id': 'globex' },
    }),
    await ask(gateway, '/api/items?workspace=globex', { workspace }),
    await ask(gateway, '/api/events', {
      method: 'POST',
      role: 'editor',
      body: { type: 'a.b', data: {}, workspace: 'globex' },
    }),
    await ask(gateway, '/api/jobs', {
      method: 'POST',
      role: 'editor',
      body: { kind: 'build', workspace: 'globex' },
    }),
  ]

  t.same(
    named.map(({ status }) => status),
    [200, 400, 400, 400],
  )
  t.equal(named[0]?.body, empty.body)
  t.match(empty.body, '"items":[]')
})

// Attack: a page's cursor of another workspace is brought back here, to go on reading there.
t.test('a page cursor of another workspace shows only rows of one’s own', async t => {
  const lists: [path: string, own: RegExp][] = [
    ['/api/items', /^\{"items":\[(\{"part_number":"OWN|\])/],
    ['/api/jobs', /^\{"jobs":\[/],
    ['/api/consumers', /^\{"consumers":\[/],
  ]

  for (const [path, own] of lists) {
    const first = await ask(gateway, `${path}?limit=1`, { workspace: 'globex' })
    const cursor = String(Object(JSON.parse(first.body)).next_cursor)
    const page = await ask(gateway, `${path}?limit=1&cursor=${encodeURIComponent(cursor)}`, {})
    t.not(cursor, 'null')
    if (page.status === 200) t.match(page.body, own, path)
    t.notMatch(page.body, /SECRET|skunkworks/)
  }
})

/** A workspace with something of everything. */
async function settle(gateway: Pick<Gateway, 'url'>, workspace: string, prefix = 'SECRET') {
  const createAs = async (role: 'editor' | 'admin', path: string, body: object) => {
    const answer = await ask(gateway, path, { method: 'POST', role, workspace, body })
    if (answer.status !== 201) throw new Error(`${path}: ${answer.body}`)
    return { ...answer, document: Object(JSON.parse(answer.body)) }
  }
  const create = (path: string, body: object) => createAs('editor', path, body)
  const item = `${prefix}-1`
  const secrets = { description: prefix, item_type: prefix }
  const { headers } = await create('/api/items', { part_number: item, ...secrets })
  await create('/api/items', { part_number: `${prefix}-2`, ...secrets })
  const project = prefix === 'SECRET' ? 'skunkworks' : 'website'
  const job = (await create('/api/jobs', { kind: 'build', project, title: prefix })).document.id
  const run = (await create('/api/jobs', { kind: 'run', project, started: true })).document.id
  const execution = (await create('/api/executions', { title: prefix })).document.executionId
  const key = (await createAs('admin', '/api/keys', { name: prefix, role: 'viewer' })).document.id
  const revocation = (await createAs('admin', '/api/revocations', { subject: 'mallory' })).document.id
  await createAs('admin', '/projects', { id: project })
  const command = (await create('/projects/website/shell', { command: 'true' })).document.data.id
  const [eventId = ''] = await publish(gateway, { type: 'secret', data: {} }, { workspace })
  await publish(
    gateway,
    { type: 'secret', data: {} },
    { workspace, stream: prefix === 'SECRET' ? 'plans' : 'own' },
  )
  const consumer = `${prefix}-consumer`
  for (const name of [consumer, `${consumer}-2`]) {
    const asked = { method: 'PUT', role: 'editor', workspace, body: {} } as const
    const made = await ask(gateway, `/api/consumers/${name}`, asked)
    if (made.status !== 201) throw new Error(made.body)
  }
  const subscription = `${prefix}-subscription`
  const subscribed = await ask(gateway, `/v1/stream/__ds/subscriptions/${subscription}`, {
    method: 'PUT',
    role: 'editor',
    workspace,
    body: {
      type: 'pull-wake',
      streams: ['linked'],
      wake_stream: prefix === 'SECRET' ? 'plans' : 'own',
    },
  })
  if (subscribed.status !== 201) throw new Error(subscribed.body)
  const hook = { url: `https://example.com/${prefix}`, enabled: false }
  const webhook = (await createAs('admin', '/api/webhooks', hook)).document.id
  await createAs('admin', '/api/webhooks', hook)
  return {
    workspace,
    item,
    job,
    run,
    execution,
    command,
    eventId,
    subscription,
    etag: headers.etag ?? '',
    /** What of this workspace such a route may name. */
    idFor(url: string, kind: string): string {
      if (kind === 'part_number') return item
      if (kind === '*') return 'linked'
      if (url.startsWith('/v1/stream/__ds/subscriptions')) return subscription
      if (kind === 'connection') return NO_ID
      if (url.startsWith('/api/consumers')) return consumer
      if (url.startsWith('/api/webhooks')) return webhook
      if (kind === 'name') return prefix === 'SECRET' ? 'plans' : 'own'
      if (url.startsWith('/api/keys')) return key
      if (url.startsWith('/api/events')) return eventId
      if (url.startsWith('/api/revocations')) return revocation
      if (url.startsWith('/api/executions')) return execution
      if (url === '/projects/:id') return project
      return kind === 'runId' ? run : job
    },
  }
}

function unknownFor(url: string, kind: string): string {
  if (url.startsWith('/api/keys')) return 'a'.repeat(12)
  if (url.startsWith('/api/events')) return '999.aaaaaa'
  return kind === 'part_number' ? 'SECRET-9' : NO_ID
}

/** What they would notice. */
async function inventory(
  gateway: Pick<Gateway, 'url'>,
  { workspace, subscription }: { workspace: string; subscription: string },
) {
  const read = (path: string) =>
    ask(gateway, path, { workspace, role: 'admin', headers: { accept: 'application/json' } })
  const paths = [
    '/api/items',
    '/api/jobs',
    '/api/events',
    '/api/events?stream=plans',
    '/api/consumers',
    '/api/webhooks',
    `/v1/stream/__ds/subscriptions/${subscription}`,
  ]
  return (await Promise.all(paths.map(read))).map(({ body }) => body)
}

function askRoute(
  gateway: Pick<Gateway, 'url'>,
  { method, url }: Route,
  role: NonNullable<Ask['role']>,
  idFor: (kind: string) => string,
) {
  const path = url.replace(/:(\w+)|\*/g, (parameter, kind: string = parameter) =>
    url.startsWith('/projects/:id/') ? 'website' : idFor(kind),
  )
  const query = url === '/projects/:id/events' ? `?stream_id=${idFor('id')}` : ''
  const body = BODIES[`${method} ${url}`]
  return ask(gateway, `${path}${query}`, {
    method,
    role,
    headers: { 'x-job-attempt': '1' },
    ...(body && { body }),
  })
}

async function ask(gateway: Pick<Gateway, 'url'>, path: string, given: Ask) {
  const { method = 'GET', role = 'viewer', workspace = 'acme', body, headers } = given
  const response = await fetch(`${gateway.url}${path}`, {
    method,
    headers: {
      ...tokenOf(role, workspace),
      'x-request-id': 'same',
      ...(body && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body && { body: JSON.stringify(body) }),
  })
  const { date, ...others } = Object.fromEntries(response.headers)
  return { status: response.status, headers: others, body: await response.text() }
}

function tokenOf(role: NonNullable<Ask['role']>, workspace: string) {
  const name = `${role} of ${workspace}`
  const headers = tokens.get(name) ?? as(role, workspace)
  tokens.set(name, headers)
  return headers
}

function command(id: string): string {
  return `/projects/website/events?stream_id=${id}`
}

function stream(job: string): string {
  return `/api/events?stream=${encodeURIComponent(`job:${job}`)}`
}
