import t from 'tap'
import Type from 'typebox'
import { guardedApp } from '../../harness/guarded-app.js'
import { bearer, token } from '../../harness/tokens.js'

const EDITOR = bearer(token({ role: 'editor' }))

t.test('a body is used unchanged: nothing is coerced, nothing is dropped', async t => {
  const app = await guardedApp(t)
  const post = (payload: object) => app.inject({ method: 'POST', url: '/things', headers: EDITOR, payload })
  const bad: ReadonlyArray<readonly [body: object, path: string, message: RegExp]> = [
    [{ name: 7 }, 'body/name', /string/],
    [{ name: 'a', count: '7' }, 'body/count', /integer/],
    [{ name: 'a', count: 1.5 }, 'body/count', /integer/],
    [{ name: 'a', count: null }, 'body/count', /integer/],
    [{ name: 'a', count: -1 }, 'body/count', />= 0/],
    [{ name: 'a', colour: 'blue' }, 'body/colour', /one of "red", "green"/],
    [{ name: 'a', at: 'yesterday' }, 'body/at', /must be a time, such as/],
    [{ name: 'a', extra: 1 }, 'body/extra', /not known/],
    [{ name: 'a', nested: [{ size: 1 }, { size: 1, weight: 2 }] }, 'body/nested/1/weight', /not known/],
    [{}, 'body/name', /missing/],
    [[], 'body', /object/],
  ]

  for (const [body, path, message] of bad) {
    const response = await post(body)
    t.equal(response.statusCode, 400, JSON.stringify(body))
    t.match(
      response.json(),
      { code: 'invalid-request', detail: path, errors: [{ path, message }] },
      JSON.stringify(body),
    )
    t.equal(response.json().errors.length, 1, 'one fault, one error')
  }
  const good = { name: 'a', count: 1, colour: 'red', at: '2026-11-21T06:00:00Z', nested: [{ size: 2 }] }
  t.strictSame((await post(good)).json(), good)
})

t.test('every fault of a small body is listed, by name', async t => {
  const app = await guardedApp(t)

  const response = await app.inject({
    method: 'POST',
    url: '/things',
    headers: EDITOR,
    payload: { nmae: 'a', count: 'many', colour: 'blue' },
  })

  t.strictSame(
    response
      .json()
      .errors.map((error: { path: string }) => error.path)
      .sort(),
    ['body/colour', 'body/count', 'body/name', 'body/nmae'],
  )
})

t.test('the answer to a large bad request stays small', async t => {
  const app = await guardedApp(t)
  const many = Object.fromEntries(Array.from({ length: 50_000 }, (_, at) => [`unknown${at}`, at]))
  const few = Object.fromEntries(Object.entries(many).slice(0, 20_000))
  const long = { name: 'a', ['k'.repeat(500_000)]: 1 }

  for (const payload of [many, long, { ...few, nested: [few] }]) {
    const response = await app.inject({ method: 'POST', url: '/things', headers: EDITOR, payload })
    t.equal(response.statusCode, 400)
    t.ok(response.body.length < 2_000, `${response.body.length} bytes`)
    t.ok(response.json().errors.length <= 2, 'a large body is checked up to its first fault')
  }
  const query = Array.from({ length: 100 }, (_, at) => `x${at}=1`).join('&')
  t.equal((await app.inject({ url: `/things?${query}`, headers: EDITOR })).json().errors.length, 20)
})

t.test('an absent body is refused where one is needed', async t => {
  const app = await guardedApp(t)

  const content = { 'application/json': { schema: Type.Object({ name: Type.String() }) } }
  const route = { config: { access: 'editor' }, schema: { body: { content } } } as const
  app.post('/by-type', route, async request => Object.keys(request.body as object))

  for (const url of ['/things', '/by-type']) {
    const response = await app.inject({ method: 'POST', url, headers: EDITOR })

    const expected = { status: 400, code: 'invalid-request', errors: [{ path: 'body' }] }
    t.match({ status: response.statusCode, ...response.json() }, expected, url)
  }
})

t.test(
  'the query is coerced from its text, and unknown, repeated or empty parameters are refused',
  async t => {
    const app = await guardedApp(t)
    const get = (query: string) => app.inject({ url: `/things${query}`, headers: EDITOR })

    t.strictSame((await get('?limit=5&all=true')).json().query, { limit: 5, all: true })
    const bad: Record<string, string> = {
      '?limit=0': 'query/limit',
      '?limit=1.5': 'query/limit',
      '?limit=five': 'query/limit',
      [`?limit=${'9'.repeat(400)}`]: 'query/limit',
      '?limit=': 'query/limit',
      '?limit=1&limit=2': 'query/limit',
      '?all=yes': 'query/all',
      '?offset=1': 'query/offset',
      '?limit=1&__proto__=1': 'query/__proto__',
      '?constructor=1': 'query/constructor',
    }
    for (const [query, path] of Object.entries(bad)) {
      const response = await get(query)
      t.equal(response.statusCode, 400, query)
      t.match(response.json(), { code: 'invalid-request', errors: [{ path }] }, query)
    }
  },
)

t.test('parameters of the path and headers are named by where they are', async t => {
  const app = await guardedApp(t)
  const schema = {
    params: Type.Object({ number: Type.Integer() }),
    headers: Type.Object({ 'x-count': Type.Optional(Type.Integer()) }),
  }
  app.get('/numbers/:number', { config: { access: 'public' }, schema }, async request => request.params)

  t.strictSame((await app.inject('/numbers/7')).json(), { number: 7 })
  t.match((await app.inject('/numbers/seven')).json().detail, 'path/number')
  t.match(
    (await app.inject({ url: '/numbers/7', headers: { 'x-count': 'b' } })).json().detail,
    'headers/x-count',
  )
})

t.test('values are never repeated in the answer', async t => {
  const app = await guardedApp(t)

  const response = await app.inject({
    method: 'POST',
    url: '/things',
    headers: EDITOR,
    payload: { name: ['hunter2'] },
  })

  t.equal(response.statusCode, 400)
  t.notMatch(response.body, 'hunter2')
})
