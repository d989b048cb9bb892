import t from 'tap'
import { guardedApp } from '../../harness/guarded-app.js'
import { bearer, token } from '../../harness/tokens.js'

t.test('a principal that has spent its minute gets a 429 with the time to wait; others do not', async t => {
  const app = await guardedApp(t, { rateLimitMax: 2 })
  const get = (claims: object) => app.inject({ url: '/things', headers: bearer(token(claims)) })

  const first = await get({ sub: 'ada' })
  t.match(first.headers, { 'ratelimit-limit': '2', 'ratelimit-remaining': '1', 'ratelimit-reset': /^\d+$/ })
  t.equal((await get({ sub: 'ada' })).statusCode, 200)
  const refused = await get({ sub: 'ada' })

  t.match({ status: refused.statusCode, ...refused.json() }, { status: 429, code: 'rate-limited' })
  t.match(refused.headers, { 'retry-after': /^[1-9]\d*$/, 'ratelimit-remaining': '0' })
  t.equal((await get({ sub: 'grace' })).statusCode, 200, 'another principal')
  t.equal(
    (await get({ sub: 'ada', workspace: 'globex' })).statusCode,
    200,
    'the same name in another workspace',
  )
})

t.test('a minute later there is a new budget', async t => {
  const app = await guardedApp(t, { rateLimitMax: 1, rateWindowMs: 60_000 })
  await app.inject('/open')
  t.equal((await app.inject('/open')).statusCode, 429)

  const later = Date.now() + 60_000
  t.intercept(Date, 'now', { value: () => later })

  t.equal((await app.inject('/open')).statusCode, 200)
})

t.test('unauthenticated callers count by address, IPv6 by network', async t => {
  const app = await guardedApp(t, { rateLimitMax: 1 })
  const from = async (remoteAddress: string, url = '/open') =>
    (await app.inject({ url, remoteAddress })).statusCode

  t.equal(await from('192.0.2.1'), 200)
  t.equal(await from('192.0.2.1', '/nowhere'), 429, 'looking for paths counts too')
  t.equal(await from('192.0.2.2'), 200)
  t.equal(await from('2001:db8:1:1::1'), 200)
  t.equal(await from('2001:db8:1:1:ffff::2'), 429)
  t.equal(await from('2001:db8:1:2::1'), 200)
})

t.test(
  'failed authentications count for the address, and a forbidden principal counts for itself',
  async t => {
    const app = await guardedApp(t, { rateLimitMax: 2, rateLimitAddressMax: 3 })
    const get = async (headers: object, url = '/things') =>
      (await app.inject({ url, headers: { ...headers } })).statusCode
    const viewer = bearer(token({ sub: 'ada' }))
    const remove = async () =>
      (await app.inject({ method: 'DELETE', url: '/things/1', headers: viewer })).statusCode

    t.strictSame([await get({}), await get(bearer('x')), await get({}, '/open')], [401, 401, 200])
    t.strictSame([await get({}), await get(bearer('x')), await get({}, '/open')], [429, 429, 429])
    t.strictSame([await remove(), await remove(), await remove()], [403, 403, 429])
    t.equal(await get(viewer), 429, 'it was the same budget')
    t.equal(await get(bearer(token({ sub: 'grace' }))), 200)
  },
)

t.test('addresses may go without a limit', async t => {
  const app = await guardedApp(t, { rateLimitMax: 2, rateLimitAddressMax: 0 })

  for (let times = 0; times < 20; times += 1) {
    const { statusCode, headers } = await app.inject('/open')
    t.equal(statusCode, 200)
    t.notHas(headers, 'ratelimit-limit')
  }
  t.equal((await app.inject('/things')).statusCode, 401)
})

t.test('probes and preflights are free', async t => {
  const app = await guardedApp(t, { rateLimitMax: 1, origins: 'https://plm.example' })
  const preflight = {
    method: 'OPTIONS',
    url: '/things',
    headers: { origin: 'https://plm.example', 'access-control-request-method': 'POST' },
  } as const

  for (let times = 0; times < 3; times++) {
    t.equal((await app.inject('/health')).statusCode, 200)
    t.equal((await app.inject(preflight)).statusCode, 204)
  }
})

t.test('a stream route is never answered with 429; it asks for itself', async t => {
  const app = await guardedApp(t, { rateLimitMax: 1 })
  app.get('/soft', { config: { access: 'viewer', stream: () => undefined } }, async request => ({
    welcome: await app.streamBudget(request),
  }))
  const get = async (url: string) => app.inject({ url, headers: bearer(token()) })

  t.strictSame((await get('/soft')).json(), { welcome: true })
  const second = await get('/soft')

  t.strictSame([second.statusCode, second.json()], [200, { welcome: false }])
  t.equal((await get('/things')).statusCode, 429, 'one budget for streams and requests')
})

t.test('zero switches the limit off', async t => {
  const app = await guardedApp(t, { rateLimitMax: 0 })
  app.get('/soft', { config: { access: 'public', stream: () => undefined } }, async request =>
    app.streamBudget(request),
  )

  for (let times = 0; times < 20; times++) t.equal((await app.inject('/open')).statusCode, 200)
  t.equal((await app.inject('/soft')).body, 'true')
  t.notHas((await app.inject('/open')).headers, 'ratelimit-limit')
})
