/** A wake never fails the transaction that it announces (I6): neither a COMMIT while the notification queue is full, nor a PREPARE. */

import pg from 'pg'
import t, { type Test } from 'tap'
import { migrate } from '../../../src/database/migrate.js'
import { sqlState } from '../../../src/problems/problem.js'
import { openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { preparePostgres } from '../../harness/postgres.js'
import { execute } from '../../harness/server.js'
import { until } from '../../harness/until.js'

/** Since PostgreSQL 17 the size of the queue is a setting; before, it takes 8 GB to fill it. */
const FIRST_WITH_SMALL_QUEUE = 170_000
const QUEUE_FULL = '54000'
const SMALL_QUEUE = 'max_notify_queue_pages = 64'

t.test(
  'while the queue is full everything commits, and it is empty again once the blocking session has ended',
  async t => {
    const server = await ownServer(t, SMALL_QUEUE)
    if (!server) {
      t.comment('This PostgreSQL has no small queue.')
      return
    }
    const { url } = server
    await execute(
      url,
      `create table doors (id int primary key); select sluice.watch('doors', workspace => 'acme')`,
    )
    const gateway = await startGateway(t, { databaseUrl: url, env: { BUS_NOTIFY: 'on' } })
    const other = await startGateway(t, { databaseUrl: url, env: { BUS_NOTIFY: 'on' } })
    const key = await createKey(gateway)
    await until('the key works', async () => (await follow(other, key.key)).status === 200)
    await until('the bus listens', async () => (await ready(gateway)).bus === 'listening')

    const culprit = await connect(t, url)
    await culprit.query('listen anything')
    await culprit.query('begin')
    await culprit.query('select 1')
    await fill(url)
    await t.rejects(execute(url, `notify anything`), { code: QUEUE_FULL })

    // None of these may fail.
    await execute(url, `select sluice.publish('acme', 'feed', 'door.opened', '{}')`)
    await execute(url, 'insert into doors values (1)')
    await publish(gateway, { type: 'thing.made', data: {} })
    const maintenance = await putState(gateway, 'maintenance')
    await putState(gateway, 'normal')
    const revoked = await fetch(`${gateway.url}/api/keys/${key.id}`, {
      method: 'DELETE',
      headers: as('admin'),
    })

    t.equal(maintenance.status, 200)
    t.equal(revoked.status, 204)
    t.equal((await follow(gateway, key.key)).status, 401)
    await until('the other gateway knows', async () => (await follow(other, key.key)).status === 401)
    const stream = await openStream(t, `${other.url}/api/events?from=beginning`, { headers: as('viewer') })
    await stream.until(messages => messages.filter(({ id }) => id !== undefined && id !== '').length >= 3)
    await until('it is reported', async () => {
      const { bus, notify_queue_percent } = await ready(gateway)
      return bus === 'down' && notify_queue_percent === 100
    })

    await culprit.query('rollback')
    await culprit.end()
    // The gateways read the use of the queue. Without that read Postgres goes on refusing.
    await until('the bus listens again', async () => (await ready(gateway)).bus === 'listening')
    await execute(url, `notify anything`)
  },
)

t.test('a transaction that has published or written to a watched table can be prepared', async t => {
  const server = await ownServer(t, 'max_prepared_transactions = 5')
  if (!server) throw new Error('Every PostgreSQL can prepare transactions.')
  const { url } = server
  await execute(
    url,
    `create table doors (id int primary key); select sluice.watch('doors', workspace => 'acme')`,
  )
  const gateway = await startGateway(t, { databaseUrl: url })
  const stream = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  const application = await connect(t, url)

  await application.query('begin')
  await application.query(`select sluice.publish('acme', 'feed', 'door.opened', '{}')`)
  await application.query('insert into doors values (1)')
  await application.query(`/* of a driver */ prepare  transaction 'two'`)
  const busy = await fetch(`${gateway.url}/api/events`, {
    method: 'POST',
    body: '{"type":"thing.made","data":{}}',
    headers: { ...as('editor'), 'content-type': 'application/json' },
  })
  await application.query(`commit prepared 'two'`)

  t.match(
    await busy.json(),
    { status: 503, code: 'stream-busy' },
    'its streams are locked until the second phase',
  )
  await stream.until(1, 'door.opened')
  await stream.until(1, 'doors.created')
  await publish(gateway, { type: 'thing.made', data: {} })
})

t.test('every change of access wakes the other gateways after its COMMIT', async t => {
  const gateway = await startGateway(t)
  const woken: number[] = []
  const { bus } = gateway.app
  const wake = bus.wake.bind(bus)
  bus.wake = streams => {
    woken.push(...streams)
    wake(streams)
  }
  const { rows } = await gateway.app.database.query<{ id: number }>(
    `select id from sluice.streams where workspace = '$system' and name = 'access'`,
  )
  const access = rows[0]?.id ?? 0
  const stream = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  const { connection } = JSON.parse((await stream.until(1))[0]?.data ?? '{}')
  const key = await createKey(gateway)
  const revocation = await change(gateway, 'POST', '/api/revocations', { token_id: 'x' })
  const { id } = (await revocation.json()) as { id: string }

  t.ok(woken.filter(stream => stream === access).length >= 2, 'a key and a revocation were made')
  for (const [method, path] of [
    ['POST', `/api/keys/${key.id}/rotate`],
    ['DELETE', `/api/keys/${key.id}`],
    ['DELETE', `/api/revocations/${id}`],
    ['POST', `/api/streams/${connection}/token`],
  ] as const) {
    woken.length = 0
    const answer = await change(gateway, method, path)
    t.ok(answer.ok, `${method} ${path}: ${answer.status}`)
    t.ok(woken.includes(access), `${method} ${path}`)
  }
})

/** A separate server with a setting that is read at its start; undefined if the server has no such setting. */
async function ownServer(t: Test, setting: string) {
  const postgres = await preparePostgres(t)
  await postgres.start()
  const { rows } = await execute(postgres.url, `select current_setting('server_version_num')::int as version`)
  if (setting === SMALL_QUEUE && rows[0].version < FIRST_WITH_SMALL_QUEUE) return undefined
  await execute(postgres.url, `alter system set ${setting}`)
  await postgres.stop()
  await postgres.start()
  await migrate(postgres.url)
  return postgres
}

async function connect(t: Test, url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  t.teardown(() => client.end())
  return client
}

/** Fills the queue until Postgres refuses. Each payload fills a page of the queue, and differs: equal ones count once. */
async function fill(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    // Small payloads fill the rest of the last page.
    for (const length of [7_990, 1]) {
      for (let full = false, n = 100; !full; n += 1) {
        const payload = `${n}`.padEnd(length, '.')
        full = await client.query('select pg_notify($1, $2)', ['anything', payload]).then(() => false, isFull)
      }
    }
  } finally {
    await client.end()
  }
}

function isFull(error: unknown): true {
  if (sqlState(error) === QUEUE_FULL) return true
  throw error
}

function change({ url }: Gateway, method: string, path: string, body?: object): Promise<Response> {
  return fetch(url + path, {
    method,
    headers: { ...as('admin'), ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
}

async function createKey(gateway: Gateway): Promise<{ id: string; key: string }> {
  const answer = await change(gateway, 'POST', '/api/keys', { name: 'test', role: 'viewer' })
  return (await answer.json()) as { id: string; key: string }
}

function putState(gateway: Gateway, mode: string): Promise<Response> {
  return change(gateway, 'PUT', '/api/server/state', { mode })
}

function follow({ url }: Gateway, key: string): Promise<Response> {
  return fetch(`${url}/api/items`, { headers: { 'x-api-key': key } })
}

async function ready({ url }: Gateway) {
  return (await (await fetch(`${url}/ready`)).json()) as { bus: string; notify_queue_percent?: number }
}
