import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import jwt from '@fastify/jwt'
import rateLimit from '@fastify/rate-limit'
import fastifyStatic from '@fastify/static'
import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance } from 'fastify'
import pg from 'pg'
import t, { type Test } from 'tap'
import { type SluiceOptions, serverOptions, sluice } from '../../../plugins/sluice.js'
import type { HostPrincipal } from '../../../src/auth/host-principal.js'
import { createDatabase } from '../../harness/database.js'
import { openStream } from '../../harness/event-stream.js'
import { as } from '../../harness/gateway.js'
import { SECRET } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

/** Of every gateway here: the database is migrated, and ends as fast as a test. */
const QUICK = {
  migrate: false,
  jwtSecret: SECRET,
  drainMs: 200,
  rateLimitMax: 0,
} as const satisfies SluiceOptions

t.test('the routes of the application stay as they are without the plugin, byte for byte', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const alone = await hostApp(t)
  const around = await hostApp(t, { prefix: '/live', databaseUrl })
  const requests: [method: string, path: string, body?: string][] = [
    ['GET', '/own'],
    ['GET', '/nowhere'],
    ['GET', '/fails'],
    ['GET', '/own/%zz'],
    ['POST', '/echo', '{"n":"1","more":true}'],
    ['POST', '/echo', 'not json'],
    ['DELETE', '/own'],
    ['GET', '/live-not'],
  ]

  for (const [method, path, body] of requests) {
    const [expected, answer] = await Promise.all(
      [alone, around].map(async ({ url }) => {
        const headers = body === undefined ? {} : { 'content-type': 'application/json' }
        const response = await fetch(url + path, { method, headers, ...(body !== undefined && { body }) })
        const kept = [...response.headers].filter(([name]) => name !== 'date')
        return { status: response.status, headers: kept, body: await response.text() }
      }),
    )

    t.strictSame(answer, expected, `${method} ${path}`)
  }
  t.equal((await fetch(`${around.url}/live/nowhere`)).headers.get('x-content-type-options'), 'nosniff')
  t.notOk(['database', 'hub', 'items', 'jobs', 'bus'].some(name => around.app.hasDecorator(name)))
})

t.test('every URL that it gives out carries the prefix, and so does the cookie', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const { url } = await hostApp(t, { prefix: '/live', databaseUrl })
  const headers = { ...as('editor'), 'content-type': 'application/json' }

  const item = { part_number: 'A01', description: 'Bracket', item_type: 'part' }
  const created = await fetch(`${url}/live/api/items`, {
    method: 'POST',
    headers,
    body: JSON.stringify(item),
  })
  const issued = await fetch(`${url}/live/api/stream-tickets`, {
    method: 'POST',
    headers,
    body: '{"path":"/live/api/events"}',
  })
  const document = (await (await fetch(`${url}/live/openapi.json`)).json()) as {
    servers: { url: string }[]
    paths: object
  }
  const streams = (await (await fetch(`${url}/live/asyncapi.json`)).json()) as {
    servers: object
    channels: { feed: object }
    operations: { followFeed: object }
  }
  const index = (await (await fetch(`${url}/live/schemas`)).json()) as { event: string }
  const schema = (await (await fetch(url + index.event)).json()) as { $id: string }
  const page = await fetch(`${url}/live`, { redirect: 'manual' })

  t.match(streams, {
    servers: { http: { pathname: '/live' } },
    channels: { feed: { address: '/api/events' } },
    operations: { followFeed: { 'x-sluice-operation': '/live/openapi.json#/paths/~1api~1events/get' } },
  })
  t.equal(schema.$id, '/live/schemas/event.json')
  t.equal(created.headers.get('location'), '/live/api/items/A01')
  t.equal((await fetch(url + created.headers.get('location'), { headers })).status, 200)
  const ticket = (await issued.json()) as { url: string }
  t.match(ticket.url, /^\/live\/api\/events\?ticket=/)
  t.match(issued.headers.get('set-cookie'), /^sluice_browser_2flive=.*Path=\/live;/)
  const opened = await fetch(url + ticket.url, { headers: { accept: 'text/event-stream' } })
  t.equal(opened.status, 200)
  await opened.body?.cancel()
  t.equal(document.servers[0]?.url, '/live')
  t.ok(Object.hasOwn(document.paths, '/api/items'))
  t.equal(page.headers.get('location'), '/live/')
})

t.test('two gateways in one application share nothing', async t => {
  const [one, two] = [await createDatabase(t), await createDatabase(t)]
  const { app, url } = await hostApp(t, { prefix: '/one', databaseUrl: one.url, name: 'one' }, [
    { prefix: '/two', databaseUrl: two.url, name: 'two' },
  ])
  const headers = { ...as('editor'), 'content-type': 'application/json' }

  const body = '{"type":"door.opened","data":{"door":7}}'
  t.equal((await fetch(`${url}/one/api/events`, { method: 'POST', headers, body })).status, 201)

  const read = async (prefix: string) =>
    (await (
      await fetch(`${url}${prefix}/api/events`, { headers: { ...headers, accept: 'application/json' } })
    ).json()) as {
      events: unknown[]
    }
  t.equal((await read('/one')).events.length, 1)
  t.equal((await read('/two')).events.length, 0)
  t.ok(app.hasDecorator('one') && app.hasDecorator('two') && !app.hasDecorator('sluice'))
})

t.test(
  'an application authenticates by itself, publishes in its transactions, and revokes in every process',
  async t => {
    const { url: databaseUrl } = await createDatabase(t)
    const pool = new pg.Pool({ connectionString: databaseUrl })
    t.teardown(() => pool.end())
    const authenticate: SluiceOptions['authenticate'] = async request => {
      const user = request.headers['x-user']
      return typeof user === 'string' ? principal(user) : undefined
    }
    const own: SluiceOptions = {
      prefix: '/live',
      jwtSecret: undefined,
      authenticate,
      pool,
      listenDatabaseUrl: databaseUrl,
    }
    const [here, there] = [await hostApp(t, own), await hostApp(t, own)]
    const stream = await openStream(t, `${here.url}/live/api/events`, { headers: { 'x-user': 'ada' } })
    const other = await openStream(t, `${there.url}/live/api/events`, { headers: { 'x-user': 'bob' } })
    const heard: number[] = []
    const subscription = here.app.sluice.onEvent({ workspace: 'acme', types: 'door.*' }, event => {
      if (event.kind === 'event') heard.push(Reflect.get(Object(event.data), 'door'))
    })

    for (const [door, end] of [
      [1, 'commit'],
      [2, 'rollback'],
      [3, 'commit'],
    ] as const) {
      const client = await pool.connect()
      await client.query('begin')
      await here.app.sluice.publish(client, { workspace: 'acme', type: 'door.opened', data: { door } })
      await client.query(end)
      client.release()
    }

    await until('both have it', () => heard.length === 2)
    t.strictSame(heard, [1, 3])
    await until('the stream shows it', () => /"door":\s?3/.test(stream.text()))
    t.equal(here.app.sluice.clients().total, 1)
    t.equal((await fetch(`${here.url}/live/api/events`)).status, 401)
    t.equal((await fetch(`${here.url}/live/api/keys`, { headers: { 'x-user': 'ada' } })).status, 404)

    await here.app.sluice.revoke({ id: 'bob', workspace: 'acme' })
    await until('the stream in the other process ends', () => /event: auth-revoked/.test(other.text()))
    const refused = await fetch(`${there.url}/live/api/items`, { headers: { 'x-user': 'bob' } })
    t.equal(refused.status, 401)
    t.equal((await fetch(`${there.url}/live/api/items`, { headers: { 'x-user': 'ada' } })).status, 200)

    await here.app.close()
    await subscription.closed
    t.ok(await stream.ended(), 'a clean end')
    t.match(stream.text(), /"mode":"draining"/)
    t.equal(
      (await pool.query('show search_path')).rows[0]?.search_path,
      '"$user", public',
      'as the application has it',
    )
  },
)

t.test('an application decides at run time, and signs tokens with grants', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const asked: unknown[] = []
  const { app, url } = await hostApp(t, {
    prefix: '/live',
    databaseUrl,
    authorize({ id, workspace, role }, action, stream) {
      asked.push([id, workspace, role, action, stream])
      return stream !== 'rooms/2'
    },
  })
  const ada = { id: 'ada', workspace: 'acme', role: 'editor' } as const
  const grants = { subscribe: ['rooms/1'], publish: ['rooms/*'] }
  const signed = app.sluice.signToken({ ...ada, grants }, 60)
  const headers = { authorization: `Bearer ${signed}`, 'content-type': 'application/json' }
  const publish = async (stream: string) =>
    fetch(`${url}/live/api/events?stream=${stream}`, {
      method: 'POST',
      headers,
      body: '{"type":"a","data":{}}',
    })
  const read = (stream: string) =>
    fetch(`${url}/live/api/events?stream=${stream}`, { headers: { ...headers, accept: 'application/json' } })

  const answers = [
    await publish('rooms/1'),
    await publish('rooms/2'),
    await publish('orders'),
    await publish('rooms/3'),
    await read('rooms/1'),
    await read('rooms/3'),
  ]

  t.strictSame(
    answers.map(({ status }) => status),
    [201, 403, 403, 201, 200, 404],
  )
  t.strictSame(
    asked,
    ['publish rooms/1', 'publish rooms/2', 'publish rooms/3', 'subscribe rooms/1'].map(question => [
      'ada',
      'acme',
      'editor',
      ...question.split(' '),
    ]),
    'what grants leave out is not asked about',
  )
  t.throws(() => app.sluice.signToken({ ...ada, grants: { subscribe: ['*x'] } }, 60), /grants must be/)
})

t.test('it can be mounted beside the plugins that an application uses itself', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const app = Fastify(serverOptions())
  t.teardown(() => app.close())
  await app.register(cors, { origin: 'https://own.example' })
  await app.register(helmet)
  await app.register(jwt, { secret: 'the own secret of the application' })
  await app.register(rateLimit, { max: 1, global: false })
  await app.register(fastifyStatic, { root: '/tmp', serve: false })
  await app.register(swagger)
  await app.register(sluice, {
    ...QUICK,
    prefix: '/live',
    databaseUrl,
    rateLimitMax: 1_000,
    rateLimitAddressMax: 1_000,
  })
  await app.ready()

  const own = app.jwt.sign({ sub: 'ada' })
  t.match(app.jwt.verify(own), { sub: 'ada' })
  const headers = as('viewer')
  for (const path of ['/live/api/items', '/live/openapi.json', '/live/docs', '/live/']) {
    t.equal((await app.inject({ url: path, headers })).statusCode, 200, path)
  }
  t.equal(
    (await app.inject({ url: '/live/api/items', headers: { authorization: `Bearer ${own}` } })).statusCode,
    401,
  )
})

t.test(
  'parts that are off do not exist, and an impossible combination is refused with its option',
  async t => {
    const { url: databaseUrl } = await createDatabase(t)
    const parts = { items: false, jobs: false, console: false, docs: false, keys: false, audit: false }
    const { url, app } = await hostApp(t, { prefix: '/live', databaseUrl, parts })

    for (const path of [
      '',
      '/api/items',
      '/api/jobs',
      '/api/executions/1',
      '/api/v1/runs/1/events',
      '/docs',
      '/api/keys',
      '/api/audit',
    ]) {
      t.equal((await fetch(`${url}/live${path}`, { headers: as('admin') })).status, 404, path)
    }
    t.equal(app.sluice.items, undefined)
    const faults: [SluiceOptions, RegExp][] = [
      [{ jwtSecret: SECRET }, /one of databaseUrl and pool/],
      [{ databaseUrl }, /authenticate, or one of jwtSecret/],
      [{ databaseUrl, jwtSecret: 'short' }, /^jwtSecret /],
      [{ databaseUrl, jwtSecret: SECRET, heartbeatMs: 1 }, /^heartbeatMs is "1"/],
      [{ databaseUrl, jwtSecret: SECRET, prefix: 'live/' }, /^prefix is "live\/"/],
      [
        { databaseUrl, jwtSecret: SECRET, parts: { jobs: false, runs: true } },
        /parts\.runs needs parts\.jobs/,
      ],
    ]
    for (const [options, fault] of faults) {
      await t.rejects(async () => await Fastify().register(sluice, options), fault)
    }
  },
)

function principal(id: string): HostPrincipal {
  return {
    id,
    workspace: 'acme',
    role: 'editor',
    expiresAt: Date.now() + 3_600_000,
    issuedAt: Date.now() - 60_000,
  }
}

/** An application with routes, an error handler and a 404 of its own, and with these gateways in it. */
async function hostApp(t: Test, options?: SluiceOptions, more: SluiceOptions[] = []) {
  const app: FastifyInstance = Fastify(serverOptions({ drainMs: 200 }))
  t.teardown(() => app.close())
  app.setErrorHandler((error, _request, reply) => reply.code(418).send({ own: String(error) }))
  app.addHook('onSend', async (_request, reply) => void reply.header('x-own', 'yes'))
  app.get('/own', async () => ({ own: true }))
  app.get('/fails', async () => {
    throw new Error('own fault')
  })
  const schema = {
    body: { type: 'object', properties: { n: { type: 'integer' } }, additionalProperties: false },
  }
  app.post('/echo', { schema }, async request => request.body)
  for (const each of [options, ...more]) if (each) await app.register(sluice, { ...QUICK, ...each })
  return { app, url: await app.listen({ host: '127.0.0.1', port: 0 }) }
}
