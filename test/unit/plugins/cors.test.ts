import t from 'tap'
import { parseOrigins } from '../../../src/config/origins.js'
import { guardedApp } from '../../harness/guarded-app.js'
import { bearer, token } from '../../harness/tokens.js'

const ORIGIN = 'https://plm.example'

t.test('a page of a listed origin may call with credentials and read the headers it needs', async t => {
  const app = await guardedApp(t, { origins: `${ORIGIN}, http://localhost:5173` })

  for (const origin of [ORIGIN, 'http://localhost:5173']) {
    const { headers } = await app.inject({ url: '/things', headers: { origin, ...bearer(token()) } })

    t.match(headers, {
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      vary: /Origin/,
    })
    const exposed = String(headers['access-control-expose-headers']).split(', ')
    for (const name of [
      'Last-Event-ID',
      'X-Sluice-Head',
      'ETag',
      'Location',
      'Retry-After',
      'RateLimit-Remaining',
      'X-Request-Id',
      'Idempotency-Replayed',
    ]) {
      t.ok(exposed.includes(name), name)
    }
  }
})

t.test('a page of any other origin gets no permission, however similar its origin', async t => {
  const app = await guardedApp(t, { origins: ORIGIN })
  const foreign = [
    'https://evil.example',
    'http://plm.example',
    'https://plm.example:8443',
    'https://plm.example.evil.example',
    'https://sub.plm.example',
    'https://PLM.example',
    'null',
    '*',
    '',
  ]

  for (const origin of foreign) {
    const simple = await app.inject({ url: '/open', headers: { origin } })
    const preflight = await app.inject({
      method: 'OPTIONS',
      url: '/things',
      headers: { origin, 'access-control-request-method': 'POST' },
    })
    t.notHas(simple.headers, 'access-control-allow-origin', origin)
    t.notHas(preflight.headers, 'access-control-allow-origin', origin)
    t.match(simple.headers.vary, /Origin/)
  }
})

t.test(
  'a response to a request without an origin is kept apart by caches, and has nothing else of CORS',
  async t => {
    const app = await guardedApp(t, { origins: ORIGIN })

    for (const url of ['/open', '/things', '/nowhere']) {
      const { headers } = await app.inject({ url, headers: bearer(token()) })
      t.equal(headers.vary, 'Origin', url)
      t.strictSame(
        Object.keys(headers).filter(name => name.startsWith('access-control-')),
        [],
        url,
      )
    }
  },
)

t.test('a preflight needs no token, allows the headers of clients and is cached', async t => {
  const app = await guardedApp(t, { origins: ORIGIN })

  const { statusCode, headers } = await app.inject({
    method: 'OPTIONS',
    url: '/things',
    headers: {
      origin: ORIGIN,
      'access-control-request-method': 'PATCH',
      'access-control-request-headers': 'if-match',
    },
  })

  t.equal(statusCode, 204)
  t.match(headers, { 'access-control-allow-origin': ORIGIN, 'access-control-max-age': '600' })
  const methods = String(headers['access-control-allow-methods']).split(', ')
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'])
    t.ok(methods.includes(method), method)
  const allowed = String(headers['access-control-allow-headers']).toLowerCase().split(', ')
  for (const name of [
    'authorization',
    'content-type',
    'last-event-id',
    'if-match',
    'idempotency-key',
    'x-api-key',
    'x-request-id',
  ]) {
    t.ok(allowed.includes(name), name)
  }
})

t.test('a page can read refusals too', async t => {
  const app = await guardedApp(t, { origins: ORIGIN })

  for (const url of ['/things', '/nowhere', '/things?token=x']) {
    t.equal(
      (await app.inject({ url, headers: { origin: ORIGIN } })).headers['access-control-allow-origin'],
      ORIGIN,
      url,
    )
  }
})

t.test('a setting that no browser sends as an origin is refused at boot with the remedy', async t => {
  const bad: Record<string, RegExp> = {
    '*': /scheme:\/\/host/,
    null: /scheme:\/\/host/,
    'plm.example': /scheme:\/\/host/,
    'https://plm.example/': /Write https:\/\/plm\.example\./,
    'https://plm.example/app': /Write https:\/\/plm\.example\./,
    'https://plm.example:443': /Write https:\/\/plm\.example\./,
    'https://PLM.example': /Write https:\/\/plm\.example\./,
    'https://*.example': /scheme:\/\/host/,
    'https://user@plm.example': /Write https:\/\/plm\.example/,
    'https://': /scheme:\/\/host/,
  }

  for (const [list, message] of Object.entries(bad)) {
    t.throws(() => parseOrigins(`${ORIGIN},${list}`), { name: 'ConfigError', message }, list)
  }
  await t.rejects(guardedApp(t, { origins: '*' }), { name: 'ConfigError' })
  t.strictSame(parseOrigins(` ${ORIGIN} , tauri://localhost,http://[::1]:5173,`), [
    ORIGIN,
    'tauri://localhost',
    'http://[::1]:5173',
  ])
  t.strictSame(parseOrigins(''), [])
})
