import t from 'tap'
import { takeCredentials } from '../../../src/auth/credentials.js'

const JWT = 'aaa.bbb.ccc'
const KEY = 'slk_0123456789ab_secret'

function taken(rawHeaders: string[], query: unknown = {}, queryToken = true) {
  return takeCredentials({ rawHeaders, query, queryToken })
}

t.test('the kind of a credential follows from its place and its prefix', async t => {
  t.same(taken(['Authorization', `Bearer ${JWT}`]), { kind: 'token', text: JWT })
  t.same(taken(['AUTHORIZATION', `bearer   ${KEY}`]), { kind: 'key', text: KEY })
  t.same(taken(['X-API-Key', KEY]), { kind: 'key', text: KEY })
  t.same(taken(['x-api-key', JWT]), { kind: 'key', text: JWT }, 'a JWT is no key, which the lookup reports')
  t.same(taken([], { token: JWT }), { kind: 'token', text: JWT })
})

t.test(
  'a bearer text of another form than a JWT is the key of a former system, but never in a URL',
  async t => {
    for (const text of [`sk_live_${'x'.repeat(24)}`, `a.b${'x'.repeat(20)}`]) {
      t.same(taken(['Authorization', `Bearer ${text}`]), { kind: 'key', text })
      t.same(taken([], { token: text }), { kind: 'token', text })
    }
    for (const text of [
      `eyJ${'x'.repeat(24)}`,
      `SG.a.${'x'.repeat(24)}`,
      `a.b.c.d${'x'.repeat(20)}`,
      `eyJ.a.b.c.${'x'.repeat(20)}`,
      'garbage',
      '..',
      'x'.repeat(257),
    ]) {
      t.same(taken(['Authorization', `Bearer ${text}`]), { kind: 'token', text })
    }
  },
)

t.test('a credential is removed from the query, also of a refused request', async t => {
  const good = { token: JWT, limit: '5' }
  const refused = { token: JWT, limit: '5' }

  taken([], good)
  t.throws(() => taken(['Authorization', `Bearer ${JWT}`], refused), { code: 'two-credentials' })

  t.strictSame([good, refused], [{ limit: '5' }, { limit: '5' }])
})

t.test('a query without credentials is not changed', async t => {
  const query = { token: JWT }

  t.throws(() => taken([], query, false), { code: 'token-missing' })

  t.strictSame(query, { token: JWT })
})

t.test('two credentials of any kinds are refused, even if equal or empty', async t => {
  const authorization = ['Authorization', `Bearer ${JWT}`]
  const bearerKey = ['Authorization', `Bearer ${KEY}`]
  const apiKey = ['X-API-Key', KEY]
  const two: [string[], object][] = [
    [[...authorization, ...authorization], {}],
    [[...apiKey, ...apiKey], {}],
    [[...authorization, ...apiKey], {}],
    [[...bearerKey, ...apiKey], {}],
    [['Authorization', 'Basic YTpi', ...apiKey], {}],
    [[...authorization, 'X-API-Key', ''], {}],
    [authorization, { token: JWT }],
    [authorization, { token: '' }],
    [apiKey, { token: JWT }],
    [[], { token: [JWT, JWT] }],
  ]

  for (const [headers, query] of two) {
    t.throws(
      () => taken(headers, query),
      { status: 400, code: 'two-credentials' },
      JSON.stringify([headers, query]),
    )
  }
})

t.test('the error for missing credentials says how to send them', async t => {
  for (const headers of [
    [],
    ['Authorization', ''],
    ['Authorization', 'Bearer '],
    ['Authorization', 'Basic YTpi'],
    ['Authorization', KEY],
    ['X-API-Key', ''],
    ['Cookie', `token=${JWT}`],
  ]) {
    t.throws(() => taken(headers), { status: 401, code: 'token-missing' }, JSON.stringify(headers))
  }
  t.throws(() => taken([], { token: '' }), { code: 'token-missing' })
  t.throws(() => taken([], { token: { a: JWT } }), { code: 'token-missing' })
  t.throws(() => taken([], Object.create({ token: JWT })), { code: 'token-missing' })
})

t.test('a key in a URL is refused, because URLs are kept in logs', async t => {
  t.throws(() => taken([], { token: KEY }), { status: 400, code: 'key-in-url', detail: /X-API-Key/ })
})

t.test('a token that is too long is not parsed', async t => {
  t.throws(() => taken(['Authorization', `Bearer ${'x'.repeat(16_385)}`]), {
    code: 'token-invalid',
  })
})

t.test('a bearer token must be in the Authorization header with the Bearer scheme', async t => {
  for (const header of ['Bearer a.b.c', 'bearer   a.b.c']) {
    t.match(taken(['Authorization', header]), { kind: 'token', text: 'a.b.c' }, header)
  }
  for (const header of ['Bearer', 'Bearer ', 'Bearer a b', 'Basic YTpi', 'a.b.c', '']) {
    t.throws(() => taken(['Authorization', header]), { code: 'token-missing' }, header)
  }
})
