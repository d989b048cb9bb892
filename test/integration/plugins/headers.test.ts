import t from 'tap'
import type { Role } from '../../../src/auth/principal.js'
import { openStream } from '../../harness/event-stream.js'
import { as, startGateway } from '../../harness/gateway.js'
import { guardedApp } from '../../harness/guarded-app.js'
import { bearer, token } from '../../harness/tokens.js'

t.test('every answer carries its request id and the policies of an API', async t => {
  const app = await guardedApp(t)

  for (const url of ['/open', '/things', '/nowhere', '/openapi.json', '/health']) {
    const { headers } = await app.inject({ url, headers: { 'x-request-id': 'r-1' } })
    t.match(
      headers,
      {
        'x-request-id': 'r-1',
        'x-content-type-options': 'nosniff',
        'content-security-policy': "default-src 'none';frame-ancestors 'none'",
        'referrer-policy': 'no-referrer',
        'cross-origin-resource-policy': 'same-origin',
      },
      url,
    )
    t.notHas(headers, 'x-powered-by')
  }
  t.match((await app.inject('/open')).headers['x-request-id'], /^[0-9a-f-]{36}$/)
  t.match((await app.inject('/%zz')).headers, { 'x-request-id': /./, 'x-content-type-options': 'nosniff' })
})

t.test('HSTS is sent over TLS only', async t => {
  const { url } = await startGateway(t, { env: { TRUSTED_PROXIES: '127.0.0.1' } })
  const open = await startGateway(t)
  const headers = { 'x-forwarded-proto': 'https' }
  const of = async (at: string) => (await fetch(at, { headers })).headers.get('strict-transport-security')

  t.equal(await of(`${url}/health`), 'max-age=31536000')
  t.equal(await of(`${open.url}/health`), null, 'only a trusted proxy may claim TLS')
  t.equal((await fetch(`${url}/health`)).headers.get('strict-transport-security'), null)
})

t.test('a stream has them too, and pages of allowed origins can still call', async t => {
  const { url } = await startGateway(t, { env: { CORS_ORIGINS: 'https://plm.example' } })
  const headers = { ...as('viewer'), origin: 'https://plm.example' }

  const stream = await openStream(t, `${url}/api/events`, { headers })

  const { 'x-request-id': id, ...rest } = stream.response.headers
  t.match(rest, {
    'content-security-policy': "default-src 'none';frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'access-control-allow-origin': 'https://plm.example',
    'cache-control': 'private, no-cache, no-transform',
  })
  const bytes = stream.response.rawHeaders.join(': ').length
  t.ok(bytes < 1_000, `the head of a stream has ${bytes} bytes`)
})

t.test('no cache may keep an answer that needed a token, unless the route allows it', async t => {
  const app = await guardedApp(t)
  app.get('/etag', { config: { access: 'viewer' } }, async (_, reply) => {
    reply.header('cache-control', 'private, no-cache')
    return {}
  })
  const get = async (url: string) =>
    (await app.inject({ url, headers: bearer(token()) })).headers['cache-control']

  t.equal(await get('/things'), 'no-store')
  t.equal(await get('/etag'), 'private, no-cache')
  t.equal(await get('/open'), undefined)
})

/** Answers for anybody: nothing of a principal's is in them. */
const FOR_ANYBODY = /^(\/|\/console\/[^/]+|\/docs|\/docs\/static\/[^/]+|\/openapi.json|\/health|\/ready)$/
/** Public keys, which the receivers of webhooks may keep (PROTOCOL.md of Durable Streams, section 6.5). */
const KEYS = '/v1/stream/__ds/jwks.json'
const ID = '0b1c8a52-6a0a-4d3c-9c58-0a6d4f1f5a11'

// Attack: a cache between gateway and client hands the answer to one principal on to another.
t.test('every answer of every route says whether caches may keep it', async t => {
  const { url } = await startGateway(t)
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { 'x-sluice-role'?: string }>>
  }
  const described = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { 'x-sluice-role': role = 'viewer' }]) => ({
      method: method.toUpperCase(),
      path: path
        .replace('{*}', 'a.txt')
        .replace('{workspace}', 'acme')
        .replace(/\{\w+\}/g, ID),
      role: (role.split(', ')[0] ?? 'viewer') as Role,
    })),
  )
  const page = await (await fetch(`${url}/`)).text()
  const [script = ''] = /console\/[\w.-]+\.js/.exec(page) ?? []
  const hidden = ['/', `/${script}`, '/docs', '/docs/static/swagger-ui.css', '/openapi.json', '/nowhere']
  const routes = [...described, ...hidden.map(path => ({ method: 'GET', path, role: 'viewer' as Role }))]

  let seen = 0
  for (const { method, path, role } of routes) {
    for (const headers of [{}, as('runner'), as(role), { ...as(role), accept: 'application/json' }]) {
      for (const each of method === 'GET' ? ['GET', 'HEAD'] : [method]) {
        const gone = new AbortController()
        const response = await fetch(`${url}${path}`, { method: each, headers, signal: gone.signal })
        gone.abort()
        const control = response.headers.get('cache-control') ?? 'nothing'
        const ownWanted = FOR_ANYBODY.test(path)
          ? /no-store|no-cache|max-age=0|immutable/
          : /no-store|private/
        const wanted = path === KEYS ? /^public, max-age=300$/ : ownWanted
        if (!wanted.test(control)) t.fail(`${each} ${path}: ${response.status} says ${control}`)
        seen += 1
      }
    }
  }
  t.ok(seen > 200, `${seen} answers`)
})

t.test('an answer with an ETag is private, and so is its 304', async t => {
  const { url } = await startGateway(t)
  const headers = { ...as('editor'), 'content-type': 'application/json' }
  const body = JSON.stringify({ part_number: 'A01', description: 'Bracket', item_type: 'part' })
  await fetch(`${url}/api/items`, { method: 'POST', headers, body })
  const first = await fetch(`${url}/api/items/A01`, { headers: as('viewer') })

  const again = await fetch(`${url}/api/items/A01`, {
    headers: { ...as('viewer'), 'if-none-match': first.headers.get('etag') ?? '' },
  })

  t.strictSame([first.status, again.status], [200, 304])
  for (const { headers } of [first, again]) t.match(headers.get('cache-control'), /^private/)
})
