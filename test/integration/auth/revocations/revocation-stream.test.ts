import t, { type Test } from 'tap'
import { publishAccessChange } from '../../../../src/auth/revocations/access-change.js'
import { RevocationStream } from '../../../../src/auth/revocations/revocation-stream.js'
import { createDatabase } from '../../../harness/database.js'
import { type EventStream, openStream } from '../../../harness/event-stream.js'
import { type Gateway, publish, startGateway } from '../../../harness/gateway.js'
import { silent, startHub } from '../../../harness/hub.js'
import { startProxy } from '../../../harness/postgres-proxy.js'
import { bearer, token } from '../../../harness/tokens.js'
import { until } from '../../../harness/until.js'

const event = { type: 'thing.made', data: {} }

t.test(
  'a revocation that a gateway missed without its database applies once the database is back',
  async t => {
    const { url } = await createDatabase(t)
    const proxy = await startProxy(t, url)
    const cutOff = await startGateway(t, { databaseUrl: proxy.url })
    const other = await startGateway(t, { databaseUrl: url })
    const [key, kept] = [await createKey(other), await createKey(other)]
    const eve = await follow(t, cutOff, issued('eve'))
    const stolen = await follow(t, cutOff, key.key)
    const stay = [await follow(t, cutOff, issued('ada')), await follow(t, cutOff, kept.key)]

    await proxy.unplug()
    await until('it is cut off', () => cutOff.app.serverState.mode === 'degraded')
    await revoke(other, { subject: 'eve' })
    await send(other, 'DELETE', `/api/keys/${key.id}`)
    t.ok(eve.messages.every(({ event }) => event !== 'auth-revoked'))
    await proxy.plugIn()

    for (const stream of [eve, stolen]) {
      t.ok(await stream.ended())
      t.match(stream.messages.at(-1), { event: 'auth-revoked' })
    }
    t.equal((await read(cutOff, issued('eve'))).status, 401)
    await until('it can write again', () => cutOff.app.serverState.mode === 'normal')
    await publish(cutOff, event)
    for (const stream of stay) await stream.until(1, 'thing.made')
  },
)

t.test('a starting gateway reads the revocations before its first client', async t => {
  const first = await startGateway(t)
  await revoke(first, { subject: 'eve' })

  const second = await startGateway(t, { databaseUrl: first.databaseUrl })

  t.equal((await read(second, issued('eve'))).status, 401)
  t.equal((await read(second, issued('ada'))).status, 200)
})

t.test('changes arrive even after the revocation stream is deleted', async t => {
  const one = await startGateway(t)
  const two = await startGateway(t, { databaseUrl: one.databaseUrl })
  await revoke(one, { subject: 'nobody' })
  const stream = await follow(t, two, issued('eve'))

  await one.app.database.query(`
    with gone as (delete from sluice.streams where workspace = '$system' and name = 'access' returning id)
    delete from sluice.events e using gone where e.stream_id = gone.id`)
  for (const { app } of [one, two]) app.tailer.wake('all')
  await revoke(one, { subject: 'eve' })

  t.ok(await stream.ended())
  t.match(stream.messages.at(-1), { event: 'auth-revoked' })
})

t.test('a gateway that cannot read a change loads everything again', async t => {
  const { pool, tailer } = await startHub(t)
  const heard: string[] = []
  const unexpected = () => void t.fail('The change was another one.')
  const stream = new RevocationStream({
    database: pool,
    tailer,
    logger: silent,
    onCommitted: ids => tailer.wake(ids),
    onClientEnded: unexpected,
    guard: {
      load: async () => void heard.push('everything'),
      async keyChanged(key) {
        heard.push(key)
        throw new Error('The key cannot be read.')
      },
      reload: async () => unexpected(),
      apply: unexpected,
      renew: unexpected,
    },
  })
  t.teardown(() => stream.close())
  await stream.start()

  // A newer version may publish this; it is ignored.
  await pool.query(`select sluice.publish_access_change('{"change":"of tomorrow"}')`)
  await publishAccessChange(pool, { change: 'key', key: 'k1' })
  stream.wake()

  await until('the second load', () => heard.length === 3)
  t.strictSame(heard, ['everything', 'k1', 'everything'])
})

t.test('until the revocations have been read every request is refused', async t => {
  const { url } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  const gateway = await startGateway(t, { databaseUrl: proxy.url })
  await gateway.close()
  await proxy.unplug()
  const late = await startGateway(t, { databaseUrl: proxy.url })

  const refused = await read(late, issued('ada'))
  const stream = await openStream(t, `${late.url}/api/events`, { headers: bearer(issued('ada')) })

  t.equal(refused.status, 503)
  t.match(await refused.json(), { code: 'database-unavailable' })
  t.equal(stream.response.statusCode, 200, 'an EventSource comes back')
  t.match(await stream.until(1), [{ event: 'unavailable', data: '{"reason":"database"}' }])
  t.ok(await stream.ended())
  const waiting = read(late, issued('ada'))
  await proxy.plugIn()
  await until('it is let in', async () => (await read(late, issued('ada'))).status === 200)
  t.ok([200, 503].includes((await waiting).status))
})

for (const notify of ['on', 'off']) {
  t.test(`the streams of an API key end with it, on every gateway, with NOTIFY ${notify}`, async t => {
    const env = { BUS_NOTIFY: notify }
    const one = await startGateway(t, { env })
    const two = await startGateway(t, { databaseUrl: one.databaseUrl, env })
    const [revoked, rotated, kept] = [await createKey(one), await createKey(one), await createKey(one)]
    const ending = [await follow(t, one, revoked.key), await follow(t, two, revoked.key)]
    const overlapping = [await follow(t, one, rotated.key), await follow(t, two, rotated.key)]
    const staying = [await follow(t, one, kept.key), await follow(t, two, kept.key)]

    await send(one, 'DELETE', `/api/keys/${revoked.id}`)
    for (const stream of ending) {
      t.ok(await stream.ended())
      t.match(stream.messages.at(-1), { event: 'auth-revoked' })
    }
    const overlap = JSON.stringify({ overlap: 2 })
    t.equal((await send(one, 'POST', `/api/keys/${rotated.id}/rotate`, overlap)).status, 201)
    for (const stream of overlapping) {
      t.ok(await stream.ended())
      t.match(stream.messages.at(-1), { event: 'auth-expired' })
    }

    await publish(one, event)
    for (const stream of staying) await stream.until(1, 'thing.made')
    t.equal((await read(two, revoked.key)).status, 401)
  })
}

t.test('a key is revoked by its id or with its workspace, and the error says so', async t => {
  const gateway = await startGateway(t)
  const [one, two] = [await createKey(gateway), await createKey(gateway)]

  const { id } = (await (await revoke(gateway, { token_id: one.id })).json()) as { id: string }
  t.match(await (await read(gateway, one.key)).json(), { status: 401, code: 'key-revoked' })
  t.equal((await read(gateway, two.key)).status, 200)
  await send(gateway, 'DELETE', `/api/revocations/${id}`)
  t.equal((await read(gateway, one.key)).status, 200)
  await revoke(gateway, { workspace: 'acme' })
  for (const { key } of [one, two]) {
    t.match(await (await read(gateway, key)).json(), { status: 401, code: 'key-revoked' })
  }
  const made = await createKey(gateway)

  t.equal((await read(gateway, made.key)).status, 200, 'one that is made now is good')
})

/** A token of a minute ago. */
function issued(sub: string): string {
  return token({ sub, iat: Math.floor(Date.now() / 1_000) - 60 })
}

/** An admin whom nothing here concerns. */
function send({ url }: Gateway, method: string, path: string, body?: string): Promise<Response> {
  const root = bearer(token({ sub: 'root', role: 'admin', iat: Math.floor(Date.now() / 1_000) + 4 }))
  const json = body && { body }
  return fetch(`${url}${path}`, {
    method,
    headers: { ...root, ...(json && { 'content-type': 'application/json' }) },
    ...json,
  })
}

function revoke(gateway: Gateway, what: object): Promise<Response> {
  return send(gateway, 'POST', '/api/revocations', JSON.stringify(what))
}

async function createKey(gateway: Gateway): Promise<{ id: string; key: string }> {
  const response = await send(gateway, 'POST', '/api/keys', JSON.stringify({ name: 'k', role: 'viewer' }))
  return (await response.json()) as { id: string; key: string }
}

function read({ url }: Gateway, credentials: string): Promise<Response> {
  return fetch(`${url}/api/server/state`, { headers: bearer(credentials) })
}

async function follow(t: Test, { url }: Gateway, credentials: string): Promise<EventStream> {
  const stream = await openStream(t, `${url}/api/events`, { headers: bearer(credentials) })
  await stream.until(1)
  return stream
}
