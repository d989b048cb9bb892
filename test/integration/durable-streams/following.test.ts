/** What happens to clients that poll or follow a durable stream while something else happens. */
import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { openStream } from '../../harness/event-stream.js'
import { as, startGateway } from '../../harness/gateway.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { bearer, token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'
import { ask } from './dialect.js'

const text = { 'content-type': 'text/plain' }

for (const live of ['sse', 'long-poll']) {
  t.test(`${live}: a stream with a short TTL lives as long as it is followed`, async t => {
    const { url: databaseUrl, pool } = await createDatabase(t)
    const gateway = await startGateway(t, { databaseUrl, env: { DURABLE_STREAMS_WAIT: '50' } })
    const head = async () => (await ask(gateway, 'HEAD', 's')).status
    const expiry = async () => {
      const { rows } = await pool.query('select expires_at::text as at from sluice.durable_streams')
      return rows[0]?.at
    }
    // Noted every 3.6 s: a busy machine has 8.4 s for it.
    await ask(gateway, 'PUT', 's', { headers: { ...text, 'stream-ttl': '12' } })
    const follower = new AbortController()
    const { signal } = follower
    const reading = ask(gateway, 'GET', `s?offset=-1&live=${live}`, { signal }).catch(() => undefined)

    const noted = new Set<string>()
    await until('its use is noted again and again', async () => noted.add(await expiry()).size > 2)
    t.equal(await head(), 200)
    follower.abort()
    await reading
    // So that the next note would come in time.
    await pool.query(`update sluice.durable_streams set expires_at = expires_at - interval '8 s'`)
    await until('it has expired', async () => (await head()) === 404)
  })
}

t.test('a poll and a live response end with their credentials', async t => {
  const gateway = await startGateway(t, { env: { DURABLE_STREAMS_WAIT: '50' } })
  const headers = bearer(token({ sub: 'ada', role: 'viewer', jti: 'leaked' }))
  await ask(gateway, 'PUT', 's', { headers: text })
  const live = await openStream(t, `${gateway.url}/v1/stream/s?offset=-1&live=sse`, { headers })
  await live.until(1, 'control')
  const poll = ask(gateway, 'GET', 's?offset=now&live=long-poll', { headers })
  await until('both wait', () => gateway.app.streamSlots.holders.principal === 1)

  await fetch(`${gateway.url}/api/revocations`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: '{"token_id":"leaked"}',
  })

  t.equal((await poll).status, 401)
  t.ok(await live.ended())
  t.equal((await ask(gateway, 'GET', 's?offset=-1', { headers })).status, 401)
})

t.test('a poll ends when its gateway stops', async t => {
  const gateway = await startGateway(t, { env: { DURABLE_STREAMS_WAIT: '50' } })
  await ask(gateway, 'PUT', 's', { headers: text })
  const poll = ask(gateway, 'GET', 's?offset=now&live=long-poll')
  await until('it waits', () => gateway.app.streamSlots.holders.principal === 1)

  await gateway.close()

  const { status, headers } = await poll
  t.equal(status, 204)
  t.equal(headers.get('stream-next-offset'), '0000000000000000')
  t.equal(headers.get('stream-closed'), null)
})

t.test('without the database polls are refused, and a live response goes on afterwards', async t => {
  const { url } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  const gateway = await startGateway(t, { databaseUrl: proxy.url })
  await ask(gateway, 'PUT', 's', { headers: text, body: 'a' })
  const live = await openStream(t, `${gateway.url}/v1/stream/s?offset=-1&live=sse`, { headers: as('viewer') })
  await live.until(1, 'control')

  await proxy.unplug()
  const refused = await ask(gateway, 'GET', 's?offset=-1&live=long-poll')
  const append = await ask(gateway, 'POST', 's', { headers: text, body: 'b' })
  await proxy.plugIn()

  t.equal(refused.status, 503)
  t.match(await refused.json(), { code: 'database-unavailable', detail: /./ })
  t.equal(append.status, 503)
  t.match(await append.json(), { code: 'database-unavailable', detail: /./ })
  await until(
    'it takes messages again',
    async () => (await ask(gateway, 'POST', 's', { headers: text, body: 'c' })).status === 204,
  )
  await live.until(messages => messages.some(({ event, data }) => event === 'data' && data.endsWith('c')))
  t.notOk(live.response.complete)
})
