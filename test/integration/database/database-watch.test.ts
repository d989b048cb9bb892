/** A database that answers and cannot do its work: the role of requests is gone, or it is read-only. */
import t, { type Test } from 'tap'
import { migrate } from '../../../src/database/migrate.js'
import { openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { type OwnPostgres, preparePostgres } from '../../harness/postgres.js'
import { execute } from '../../harness/server.js'
import { succeeds, until } from '../../harness/until.js'

const EVENT = { type: 'thing.made', data: {} }
const DROP = 'drop owned by sluice_request; drop role sluice_request'

t.test('the first request that needs a dropped role of requests creates it again', async t => {
  const { postgres, gateway } = await start(t)
  await publish(gateway, EVENT)

  await execute(postgres.url, DROP)
  const stream = await openStream(t, `${gateway.url}/api/events?from=beginning`, { headers: as('viewer') })
  const newcomer = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer', 'globex') })

  t.match((await stream.until(1, 'thing.made')).length, 1)
  t.match(await newcomer.until(1), [{ event: 'server.state' }])
  t.equal((await items(gateway)).status, 200)
})

t.test('rights that a restore did not bring are given again', async t => {
  const { postgres, gateway } = await start(t)
  await execute(postgres.url, 'drop owned by sluice_request')

  const statuses = new Set<number>()
  await until('requests are served', async () => {
    const { status } = await items(gateway)
    statuses.add(status)
    return status === 200
  })

  t.notOk(statuses.has(500), [...statuses].join())
})

t.test('where the gateway may not make the role, requests wait for it and are not let through', async t => {
  const postgres = await started(t)
  await execute(
    postgres.url,
    'create role gateway login bypassrls; create schema sluice authorization gateway',
  )
  await execute(postgres.url, 'create role sluice_request nologin; grant sluice_request to gateway')
  const databaseUrl = postgres.url.replace('postgres@', 'gateway@')
  await migrate(databaseUrl)
  const gateway = await startGateway(t, { databaseUrl })
  t.equal((await items(gateway)).status, 200)

  await execute(postgres.url, DROP)
  const refused = await items(gateway)
  const stream = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  await until('it is reported', async () => (await ready(gateway)).database === 'not-set-up')

  t.match(await refused.json(), { status: 503, code: 'database-unavailable', database: 'not-set-up' })
  t.match(await stream.until(1), [
    { event: 'unavailable', data: '{"reason":"database","database":"not-set-up"}' },
  ])
  t.match(await ready(gateway), { status: 'ready', mode: 'degraded' })

  await execute(postgres.url, 'create role sluice_request nologin; grant sluice_request to gateway')
  await until('requests are served', async () => (await items(gateway)).status === 200)
  await until('it is reported', async () => (await ready(gateway)).mode === 'normal')
})

t.test('on a demoted primary streams open and changes wait, until it is promoted', async t => {
  const { postgres, gateway } = await start(t)
  await publish(gateway, EVENT)
  const follower = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })

  await postgres.stop()
  await postgres.demote()
  await postgres.start()
  // Knows no stream yet.
  const other = await startGateway(t, { databaseUrl: postgres.url })
  await until('it is reported', async () => (await ready(gateway)).database === 'read-only')
  const stream = await openStream(t, `${other.url}/api/events?from=beginning`, { headers: as('viewer') })
  const newcomer = await openStream(t, `${other.url}/api/events`, { headers: as('viewer', 'globex') })

  t.match(await ready(gateway), { status: 'ready', mode: 'degraded' })
  t.match((await stream.until(1, 'thing.made')).length, 1, 'an existing feed opens without a write')
  t.match(await newcomer.until(1), [
    { event: 'unavailable', data: '{"reason":"database","database":"read-only"}' },
  ])
  for (const path of ['/api/events', '/api/items', '/api/jobs']) {
    const body = BODIES[path]
    const answer = await fetch(gateway.url + path, {
      method: 'POST',
      headers: EDITOR,
      body: JSON.stringify(body),
    })
    t.match(await answer.json(), { status: 503, code: 'database-unavailable', database: 'read-only' }, path)
  }

  await execute(postgres.url, 'select pg_promote()')
  await until('it is reported', async () => (await ready(gateway)).database === 'up')
  await until('it takes changes', () => succeeds(publish(gateway, EVENT)))
  t.equal((await follower.until(1, 'thing.made')).length, 1, 'the stream was open all the time')
})

const EDITOR = { ...as('editor'), 'content-type': 'application/json' }
const BODIES: Readonly<Record<string, object>> = {
  '/api/events': EVENT,
  '/api/items': { part_number: 'A1', description: 'x', item_type: 'part' },
  '/api/jobs': { kind: 'demo' },
}

async function started(t: Test): Promise<OwnPostgres> {
  const postgres = await preparePostgres(t)
  await postgres.start()
  return postgres
}

async function start(t: Test) {
  const postgres = await started(t)
  await migrate(postgres.url)
  return { postgres, gateway: await startGateway(t, { databaseUrl: postgres.url }) }
}

function items({ url }: Gateway): Promise<Response> {
  return fetch(`${url}/api/items`, { headers: as('viewer') })
}

async function ready({ url }: Gateway) {
  return (await (await fetch(`${url}/ready`)).json()) as Record<'status' | 'mode' | 'database', string>
}
