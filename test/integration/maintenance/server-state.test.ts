import t, { type Test } from 'tap'
import { createDatabase } from '../../harness/database.js'
import { type EventStream, openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { until } from '../../harness/until.js'

const event = { type: 'thing.made', data: {} }

for (const notify of ['on', 'off']) {
  t.test(`maintenance applies to all gateways, with NOTIFY ${notify}`, async t => {
    const env = { BUS_NOTIFY: notify }
    const one = await startGateway(t, { env })
    const two = await startGateway(t, { databaseUrl: one.databaseUrl, env })
    const streams = [await follow(t, one), await follow(t, two)]

    t.same(await (await switchTo(one, 'maintenance')).json(), { mode: 'maintenance' })
    for (const stream of streams) await told(stream, 'maintenance')
    for (const gateway of [one, two]) t.equal(await modeOf(gateway), 'maintenance')

    t.same(await (await switchTo(two, 'normal')).json(), { mode: 'normal' })
    for (const stream of streams) await told(stream, 'normal')
    const [id] = await publish(one, event)
    for (const stream of streams) await stream.until(messages => messages.at(-1)?.id === id)
  })
}

t.test('in maintenance every change is refused, and everything can be read and followed', async t => {
  const gateway = await startGateway(t)
  const [id] = await publish(gateway, event)
  const stream = await follow(t, gateway)
  await switchTo(gateway, 'maintenance')

  const refused = [
    await send(gateway, 'POST', '/api/events', event),
    await send(gateway, 'POST', '/api/items', { part_number: 'A1', description: 'd', item_type: 'part' }),
    await send(gateway, 'PATCH', '/api/items/A1', { description: 'd' }),
    await send(gateway, 'DELETE', '/api/items/A1'),
    await send(gateway, 'POST', '/api/items/A1/revisions', { comment: 'c' }),
  ]
  const allowed = await Promise.all(
    ['/api/items', `/api/events/${id}`, '/api/server/state', '/ready'].map(path =>
      send(gateway, 'GET', path),
    ),
  )
  const newcomer = await openStream(t, `${gateway.url}/api/events?from=beginning`, { headers: as('viewer') })

  for (const response of refused) {
    t.equal(response.status, 503)
    t.match(response.headers.get('retry-after'), /^[1-9]\d*$/)
    t.match(await response.json(), { code: 'maintenance', detail: /later/ })
  }
  t.strictSame(
    allowed.map(({ status }) => status),
    [200, 200, 200, 200],
  )
  t.match(await newcomer.until(2), [{ data: /^{"mode":"maintenance",/ }, { id }])
  await gateway.app.database.query(`select sluice.append('acme', 'feed', 'thing.made', '{}')`)
  await stream.until(1, 'thing.made')
})

t.test('in maintenance a forbidden or invalid request still gets its own error', async t => {
  const gateway = await startGateway(t)
  await switchTo(gateway, 'maintenance')

  t.equal((await send(gateway, 'POST', '/api/events', event, as('viewer'))).status, 403)
  t.equal((await send(gateway, 'POST', '/api/events', { nonsense: true })).status, 400)
  t.equal((await send(gateway, 'PUT', '/api/server/state', { mode: 'normal' }, as('editor'))).status, 403)
  t.equal((await send(gateway, 'PUT', '/api/server/state', { mode: 'draining' })).status, 400)
  t.equal(await modeOf(gateway), 'maintenance')
})

t.test('maintenance ends when a failover has lost its event', async t => {
  const gateway = await startGateway(t)
  await switchTo(gateway, 'maintenance')

  await gateway.app.database.query(
    `delete from sluice.events where stream_id = (select id from sluice.streams where name = 'server')`,
  )

  await until('it is over', async () => (await modeOf(gateway)) === 'normal')
})

t.test('maintenance also ends when the log loses the event before the tailer reads it', async t => {
  const gateway = await startGateway(t)
  await gateway.app.database.query(`
    create function lose() returns trigger language plpgsql as $$ begin
      delete from sluice.events e where e.event_id = new.event_id;
      return null;
    end $$;
    create constraint trigger lose after insert on sluice.events deferrable initially deferred
      for each row when (new.type = 'server.mode') execute function lose()`)

  t.equal((await switchTo(gateway, 'maintenance')).status, 200)

  await until('it is over', async () => (await modeOf(gateway)) === 'normal')
})

// Attack: the admin of one customer stops all others.
t.test('with an operator workspace, admins of other workspaces cannot switch', async t => {
  const gateway = await startGateway(t, { env: { OPERATOR_WORKSPACE: 'operators' } })
  const put = (workspace: string, role: 'admin' | 'editor' = 'admin') =>
    send(gateway, 'PUT', '/api/server/state', { mode: 'maintenance' }, as(role, workspace))

  const foreign = await put('acme')
  t.match([foreign.status, await foreign.json()], [403, { code: 'operators-only' }])
  t.equal((await put('operators', 'editor')).status, 403)
  t.match(await (await send(gateway, 'GET', '/api/server/state')).json(), { mode: 'normal' })

  t.match(await (await put('operators')).json(), { mode: 'maintenance' })
})

t.test('maintenance survives a restart, and applies before the first client', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const first = await startGateway(t, { databaseUrl })
  await switchTo(first, 'maintenance')
  await first.close()

  const second = await startGateway(t, { databaseUrl })

  t.equal(await modeOf(second), 'maintenance')
  t.equal((await send(second, 'POST', '/api/events', event)).status, 503)
  await switchTo(second, 'normal')
  t.equal((await send(second, 'POST', '/api/events', event)).status, 201)
})

t.test('the admin and the time of each switch are stored', async t => {
  const gateway = await startGateway(t)

  await switchTo(gateway, 'maintenance')
  await switchTo(gateway, 'normal')

  const { rows } = await gateway.app.database.query(
    `select e.data->>'mode' as mode, e.actor from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.workspace = '$system' order by e."position"`,
  )
  t.strictSame(rows, [
    { mode: 'maintenance', actor: 'acme/admin-of-acme' },
    { mode: 'normal', actor: 'acme/admin-of-acme' },
  ])
})

t.test('clients get a notice when the database goes down, and when it is back', async t => {
  const { url } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  const gateway = await startGateway(t, { databaseUrl: proxy.url })
  const stream = await follow(t, gateway)

  await proxy.unplug()
  await told(stream, 'degraded')
  t.equal(await modeOf(gateway), 'degraded')
  const refused = await send(gateway, 'POST', '/api/events', event)
  t.equal(refused.status, 503)
  t.match(refused.headers.get('retry-after'), /^[1-9]\d*$/)
  await proxy.plugIn()

  await told(stream, 'normal')
  const [id] = await publish(gateway, event)
  await stream.until(messages => messages.at(-1)?.id === id)
  t.strictSame(modes(stream), ['normal', 'degraded', 'normal'])
})

// With NOTIFY switched off there is no listener to lose.
if (process.env.BUS_NOTIFY !== 'off') {
  t.test('a listener that reconnects at once causes no notice', async t => {
    const gateway = await startGateway(t)
    const { bus, database } = gateway.app
    const stream = await follow(t, gateway)
    await until('it listens', () => bus.status === 'listening')
    const listeners = `from pg_stat_activity where application_name = 'sluice listen' and datname = current_database()`
    const { rows } = await database.query(`select pid, pg_terminate_backend(pid) ${listeners}`)

    await until('another listens', async () => {
      const found = await database.query(`select ${listeners} and pid <> $1`, [rows[0].pid])
      return found.rowCount === 1 && bus.status === 'listening'
    })
    const [id] = await publish(gateway, event)
    await stream.until(messages => messages.at(-1)?.id === id)

    t.strictSame(modes(stream), ['normal'])
  })
}

t.test('the state is read again after its stream is deleted', async t => {
  const gateway = await startGateway(t)
  await switchTo(gateway, 'maintenance')

  await gateway.app.database.query(`delete from sluice.streams where workspace = '$system'`)
  gateway.app.tailer.wake('all')

  await until('it can be switched', async () => {
    await switchTo(gateway, 'normal')
    return (await modeOf(gateway)) === 'normal'
  })
  const two = await startGateway(t, { databaseUrl: gateway.databaseUrl })
  await switchTo(two, 'maintenance')
  await until('the other one hears it', async () => (await modeOf(gateway)) === 'maintenance')
})

async function follow(t: Test, gateway: Gateway): Promise<EventStream> {
  const stream = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  await stream.until(1)
  return stream
}

function modes({ messages }: EventStream): string[] {
  return messages.filter(({ event }) => event === 'server.state').map(({ data }) => JSON.parse(data).mode)
}

/** Resolves when the newest mode that the client has heard of is this one. */
async function told(stream: EventStream, mode: string): Promise<void> {
  await stream.until(() => modes(stream).at(-1) === mode)
}

async function modeOf({ url }: Gateway): Promise<string> {
  const response = await fetch(`${url}/api/server/state`, { headers: as('viewer') })
  return ((await response.json()) as { mode: string }).mode
}

function switchTo(gateway: Gateway, mode: string): Promise<Response> {
  return send(gateway, 'PUT', '/api/server/state', { mode })
}

function send(
  { url }: Gateway,
  method: string,
  path: string,
  body?: object,
  headers = as('admin'),
): Promise<Response> {
  const json = body && { body: JSON.stringify(body) }
  return fetch(`${url}${path}`, {
    method,
    headers: { ...headers, ...(json && { 'content-type': 'application/json' }) },
    ...json,
  })
}
