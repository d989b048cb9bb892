/** The rate limit of whole gateways: one budget on one database, and what it costs to fail. */
import t from 'tap'
import { openStream } from '../../harness/event-stream.js'
import { as, type Gateway, startGateway } from '../../harness/gateway.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { bearer, SECRET, token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

const statusOf = async ({ url }: Gateway, headers: Record<string, string>, path = '/api/server/state') =>
  (await fetch(url + path, { headers })).status

/** Sends until it is refused; returns how many were answered. */
async function spendAll(gateway: Gateway, headers: Record<string, string>, path?: string): Promise<number> {
  for (let answered = 0; answered < 1_000; answered += 1) {
    if ((await statusOf(gateway, headers, path)) === 429) return answered
  }
  throw new Error('There is no end to it.')
}

async function createKey({ url }: Gateway): Promise<string> {
  const response = await fetch(`${url}/api/keys`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'for a test', role: 'viewer' }),
  })
  return ((await response.json()) as { key: string }).key
}

t.test('gateways on one database share the budget of a principal', async t => {
  const env = { RATE_LIMIT_MAX: '40' }
  const first = await startGateway(t, { env })
  const second = await startGateway(t, { env, databaseUrl: first.databaseUrl })

  const told = async () => {
    const { rows } = await first.app.database.query('select sum(count)::int as told from sluice.rate_windows')
    return rows[0].told
  }

  t.equal(await spendAll(first, as('viewer')), 40)
  await until('it has told all of that', async () => (await told()) === 40)
  t.equal(await statusOf(second, as('viewer')), 200, 'the other does not ask before it has something to tell')
  await until('it has told that, too', async () => (await told()) === 41)
  // Its answer may still be on the way.
  t.ok((await spendAll(second, as('viewer'))) < 20)

  t.equal(await statusOf(second, as('editor')), 200, 'somebody else goes on')
})

t.test('without the database each gateway counts alone', async t => {
  const env = { RATE_LIMIT_MAX: '5' }
  const first = await startGateway(t)
  const proxy = await startProxy(t, first.databaseUrl)
  const gateway = await startGateway(t, { env, databaseUrl: proxy.url })
  await proxy.unplug()

  t.equal(await spendAll(gateway, as('viewer')), 5)
})

t.test(
  'an address that fails too often gets 429 with the headers, and authenticated callers there go on',
  async t => {
    const gateway = await startGateway(t, { env: { RATE_LIMIT_MAX: '1000', RATE_LIMIT_ADDRESS_MAX: '5' } })
    const key = await createKey(gateway)
    t.equal(await statusOf(gateway, { 'x-api-key': key }), 200)
    const bad = bearer(token({}, {}, `${SECRET} no more`))

    const failed = await fetch(`${gateway.url}/api/items`, { headers: bad })
    t.match(failed.headers.get('ratelimit-limit'), '5')
    t.match(failed.headers.get('ratelimit-remaining'), '4')
    t.equal(await spendAll(gateway, bad), 4)
    const refused = await fetch(`${gateway.url}/api/items`, { headers: bad })

    t.match(await refused.json(), { status: 429, code: 'rate-limited', detail: /your address/ })
    t.match(refused.headers.get('retry-after'), /^[1-9]\d*$/)
    t.equal(refused.headers.get('www-authenticate'), null)
    t.equal(await statusOf(gateway, {}), 429, 'a request without credentials counts as a failure')
    t.equal(await statusOf(gateway, {}, '/openapi.json'), 429, 'a public route is limited too')
    t.equal(await statusOf(gateway, as('viewer')), 200, 'a good token')
    t.equal(await statusOf(gateway, { 'x-api-key': key }), 200, 'a key that is known')
    t.equal(await statusOf(gateway, {}, '/health'), 200)
  },
)

// Attack: keys are tried out by the thousand, each of which would cost the database a look-up.
t.test('no unknown key or ticket is looked up for an address that has failed too often', async t => {
  const first = await startGateway(t)
  const proxy = await startProxy(t, first.databaseUrl)
  const env = { RATE_LIMIT_MAX: '1000', RATE_LIMIT_ADDRESS_MAX: '5' }
  const gateway = await startGateway(t, { env, databaseUrl: proxy.url })
  const keyOf = (n: number) => ({ 'x-api-key': `slk_${String(n).padStart(12, '0')}_${'a'.repeat(43)}` })
  const ticket = `/api/events?ticket=${'a'.repeat(43)}`

  await proxy.unplug()
  t.strictSame(
    [await statusOf(gateway, keyOf(0)), await statusOf(gateway, {}, ticket)],
    [503, 503],
    'what has to be looked up cannot be answered without the database',
  )
  await proxy.plugIn()
  t.equal(await spendAll(gateway, keyOf(1)), 5)
  await proxy.unplug()

  for (let n = 2; n < 20; n += 1) t.equal(await statusOf(gateway, keyOf(n)), 429)
  t.equal(await statusOf(gateway, {}, ticket), 429)
})

t.test('a browser’s EventSource gets a retry time, so it reconnects later', async t => {
  const gateway = await startGateway(t, { env: { RATE_LIMIT_MAX: '1000', RATE_LIMIT_ADDRESS_MAX: '2' } })
  await spendAll(gateway, {})

  const stream = await openStream(t, `${gateway.url}/api/events?token=${token({}, {}, `${SECRET} no more`)}`)

  t.equal(stream.response.statusCode, 200)
  t.ok(await stream.ended())
  t.match(stream.messages, [{ event: 'unavailable', data: '{"reason":"limit"}' }])
  t.equal(stream.retries.length, 1)
})

// Attack: a caller whose proxy writes nonsense as the address, or leaves before it is asked for.
t.test('all invalid addresses count as one address', async t => {
  const env = { RATE_LIMIT_MAX: '1000', RATE_LIMIT_ADDRESS_MAX: '2', TRUSTED_PROXIES: '127.0.0.1' }
  const gateway = await startGateway(t, { env })
  const from = (address: string) => statusOf(gateway, { 'x-forwarded-for': address }, '/openapi.json')

  const nonsense = [await from('x'.repeat(4_000)), await from('unknown'), await from('198.51.100.999')]
  const addresses = [
    await from('198.51.100.7'),
    await from('::ffff:198.51.100.7'),
    await from('198.51.100.7'),
  ]

  t.strictSame(nonsense, [200, 200, 429])
  t.strictSame(addresses, [200, 200, 429], 'and one is the same in both its forms')
})
