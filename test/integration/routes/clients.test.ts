import t, { type Test } from 'tap'
import { createDatabase } from '../../harness/database.js'
import { openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { bearer, token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

type Shown = Record<string, unknown> & { readonly connection: string; readonly stream: string }
interface Answer {
  readonly clients: Shown[]
  readonly closed: Shown[]
  readonly refused: Shown[]
  readonly nodes: Record<string, unknown>[] | null
  readonly total: number
  readonly next_cursor: string | null
}

t.test('an admin sees each client of its workspace with its place, its filter and its state', async t => {
  const gateway = await startGateway(t)
  await publish(gateway, [made(1), made(2)])
  const stream = await follow(t, gateway, 'types=thing.*&where=data.n gt 1&from=beginning')
  await stream.until(1, 'thing.made')

  const { clients, total, next_cursor } = await read(gateway, '/api/clients')

  t.match({ total, next_cursor }, { total: 1, next_cursor: null })
  t.match(clients, [
    {
      connection: await stream.connection(),
      node: (await stream.connection()).slice(0, 8),
      principal: 'viewer-of-acme',
      role: 'viewer',
      address: '127.0.0.1',
      request_id: stream.response.headers['x-request-id'],
      stream: 'feed',
      kind: 'feed',
      dialect: 'sluice',
      encoding: 'sse',
      filter: { types: ['thing.*'], where: 'data["n"] gt 1' },
      granted_types: null,
      started_after: /^0/,
      brought_id: false,
      cursor: stream.messages.findLast(({ id }) => id)?.id,
      head: stream.messages.findLast(({ id }) => id)?.id,
      lag_events: 0,
      state: 'live',
      behind_since: null,
      bytes_waiting: 0,
      events: 1,
      bytes: Number,
      resets: 0,
    },
  ])
})

t.test('a client that does not read is full, and says how far it is behind', async t => {
  const gateway = await startGateway(t)
  const stream = await follow(t, gateway, '')
  await stream.until(1)
  stream.response.pause()
  const large = { type: 'thing.made', data: { text: 'x'.repeat(200_000) } }

  let shown: Shown | undefined
  await until('the client is full', async () => {
    await publish(gateway, [large, large, large])
    shown = (await read(gateway, '/api/clients')).clients[0]
    return shown?.state === 'full'
  })

  t.ok(Number(shown?.bytes_waiting) >= 64 * 1024)
  await publish(gateway, made(1))
  await until('it is behind', async () => {
    shown = (await read(gateway, '/api/clients')).clients[0]
    return Number(shown?.lag_events) > 0
  })
  t.match(shown, { live_since: null, behind_since: String })
})

t.test('the list is filtered, paged, and of one workspace', async t => {
  const gateway = await startGateway(t)
  await publish(gateway, made(1), { stream: 'rooms/1' })
  const opened = [
    ...(await Promise.all(Array.from({ length: 5 }, () => follow(t, gateway, 'stream=rooms/1')))),
    await follow(t, gateway, ''),
    await follow(t, gateway, '', as('editor')),
    await follow(t, gateway, '', as('viewer', 'rival')),
  ]
  for (const stream of opened) await stream.until(1)

  const pages: Answer[] = []
  for (let cursor: string | null = ''; cursor !== null; cursor = pages.at(-1)?.next_cursor ?? null)
    pages.push(await read(gateway, `/api/clients?limit=2&stream=rooms/1${cursor && `&cursor=${cursor}`}`))
  const names = pages.flatMap(({ clients }) => clients.map(({ connection }) => connection))

  t.strictSame(
    pages.map(({ clients, total }) => [clients.length, total]),
    [
      [2, 5],
      [2, 5],
      [1, 5],
    ],
  )
  t.equal(new Set(names).size, 5)
  t.match(await read(gateway, '/api/clients?principal=editor-of-acme'), { total: 1 })
  t.match(await read(gateway, '/api/clients'), { total: 7 })
  t.match(await read(gateway, '/api/clients', as('admin', 'rival')), { total: 1 })
  t.equal((await ask(gateway, '/api/clients?cursor=x')).status, 400)
})

t.test('a client that an admin ends gets the reason and its cursor, and continues where it was', async t => {
  const gateway = await startGateway(t)
  const stream = await follow(t, gateway, '')
  const [id = ''] = await publish(gateway, made(1))
  await stream.until(1, 'thing.made')
  const path = `/api/clients/${await stream.connection()}`

  const foreign = await ask(gateway, path, { method: 'DELETE', headers: as('admin', 'rival') })
  t.equal((await read(gateway, '/api/clients')).total, 1)
  const answer = await ask(gateway, path, { method: 'DELETE' })

  t.match([foreign.status, answer.status], [404, 202])
  t.ok(await stream.ended())
  t.match(stream.messages.at(-1), { event: 'unavailable', data: '{"reason":"by-admin"}', id })
  t.equal((await ask(gateway, path, { method: 'DELETE' })).status, 404)
  const audit = (await (await ask(gateway, '/api/audit?action=client.ended')).json()) as { entries: object[] }
  t.match(audit.entries, [
    { principal: 'admin-of-acme', details: { principal: 'viewer-of-acme', stream: 'feed' } },
  ])
  const [missed = ''] = await publish(gateway, made(2))
  const again = await follow(t, gateway, '', { ...as('viewer'), 'last-event-id': id })
  t.match((await again.until(1, 'thing.made'))[0], { id: missed })
})

t.test('any gateway ends a client of another one', async t => {
  const one = await startGateway(t)
  const two = await startGateway(t, { databaseUrl: one.databaseUrl })
  const stream = await follow(t, one, '')
  const connection = await stream.connection()
  await until('both know each other', async () => (await read(two, '/api/clients')).nodes?.length === 2)
  const { nodes } = await read(two, '/api/clients')
  await until('its client counts', async () =>
    Boolean((await read(two, '/api/clients')).nodes?.some(({ clients }) => clients === 1)),
  )

  const answer = await ask(two, `/api/clients/${connection}`, { method: 'DELETE' })

  t.match(nodes?.map(({ node, asked }) => ({ node, asked })).sort(byNode), [
    ...[
      { node: connection.slice(0, 8), asked: false },
      { node: two.app.hub.connections.node, asked: true },
    ].sort(byNode),
  ])
  t.match(await answer.json(), { connection, node: connection.slice(0, 8) })
  t.ok(await stream.ended())
  t.match(stream.messages.at(-1), { event: 'unavailable', data: '{"reason":"by-admin"}' })
})

t.test('nodes are for operators', async t => {
  const gateway = await startGateway(t, { env: { OPERATOR_WORKSPACE: 'ops' } })
  await until('the first heartbeat', async () =>
    Boolean((await read(gateway, '/api/clients', as('admin', 'ops'))).nodes?.length),
  )

  t.match(await read(gateway, '/api/clients'), { nodes: null })
})

t.test('while the database is away, an admin still sees the clients', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const proxy = await startProxy(t, databaseUrl)
  const gateway = await startGateway(t, { databaseUrl: proxy.url })
  await (await follow(t, gateway, '')).until(1)
  await until('the first heartbeat', async () => (await read(gateway, '/api/clients')).nodes?.length === 1)

  await proxy.unplug()

  t.match(await read(gateway, '/api/clients'), { total: 1, nodes: null })
})

t.test('closed and refused clients are remembered with the reason', async t => {
  const gateway = await startGateway(t, { env: { MAX_STREAMS_PER_PRINCIPAL: '1' } })
  const stream = await follow(t, gateway, '')
  const [id] = await publish(gateway, made(1))
  await stream.until(1, 'thing.made')
  const second = await follow(t, gateway, '')
  await second.ended()
  await ask(gateway, '/api/events?stream=nothing', {
    headers: { ...as('editor'), accept: 'text/event-stream' },
  })
  const limited = bearer(
    token({ role: 'viewer', sub: 'eve', workspace: 'acme', sluice: { subscribe: ['a'] } }),
  )
  await ask(gateway, '/api/events', { headers: { ...limited, accept: 'text/event-stream' } })
  stream.close()

  await until('it has closed', async () => (await read(gateway, '/api/clients/closed')).total === 1)

  t.match((await read(gateway, '/api/clients/closed')).closed, [
    {
      connection: await stream.connection(),
      reason: 'client',
      cursor: id,
      events: 1,
      duration_ms: Number,
      closed_at: String,
    },
  ])
  const { refused } = await read(gateway, '/api/clients/refused')
  t.strictSame(
    refused.map(({ principal, stream: name, reason, limit }) => [principal, name, reason, limit]),
    [
      ['eve', 'feed', 'not-granted', null],
      ['editor-of-acme', 'nothing', 'not-found', null],
      ['viewer-of-acme', 'feed', 'limit', 'principal'],
    ],
  )
  t.strictSame((await read(gateway, '/api/clients/closed', as('admin', 'rival'))).closed, [])
  t.strictSame((await read(gateway, '/api/clients/refused', as('admin', 'rival'))).refused, [])
})

function made(n: number) {
  return { type: 'thing.made', data: { n } }
}

function byNode(one: Record<string, unknown>, other: Record<string, unknown>): number {
  return String(one.node) < String(other.node) ? -1 : 1
}

async function follow(
  t: Test,
  { url }: Pick<Gateway, 'url'>,
  query: string,
  headers: Record<string, string> = as('viewer'),
) {
  const stream = await openStream(t, `${url}/api/events?${encodeURI(query)}`, { headers })
  const connection = async () => {
    const [{ data } = { data: '{}' }] = await stream.until(1, 'server.state')
    return String(Object(JSON.parse(data)).connection)
  }
  return { ...stream, connection }
}

function ask(
  { url }: Pick<Gateway, 'url'>,
  path: string,
  { method = 'GET', headers = as('admin') as Record<string, string> } = {},
): Promise<Response> {
  return fetch(`${url}${path}`, { method, headers })
}

async function read(gateway: Pick<Gateway, 'url'>, path: string, headers = as('admin')): Promise<Answer> {
  const answer = await ask(gateway, path, { headers })
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  return (await answer.json()) as Answer
}
