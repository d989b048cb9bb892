import { once } from 'node:events'
import { connect } from 'node:net'
import Fastify from 'fastify'
import t from 'tap'
import auth from '../../../plugins/auth.js'
import caller from '../../../plugins/caller.js'
import problems from '../../../plugins/problems.js'
import rateLimit from '../../../plugins/rate-limit.js'
import tokens from '../../../plugins/tokens.js'
import { ROLES } from '../../../src/auth/principal.js'
import { guardedApp } from '../../harness/guarded-app.js'
import { bearer, CLAIMS, SECRET, token } from '../../harness/tokens.js'

t.test('a role that is too low gets a 403 that names both roles', async t => {
  const app = await guardedApp(t)

  const response = await app.inject({
    method: 'DELETE',
    url: '/things/1',
    headers: bearer(token({ role: 'editor' })),
  })

  t.equal(response.statusCode, 403)
  t.match(response.json(), { code: 'role-too-low', detail: /role admin.*role editor/ })
  t.match(response.headers['www-authenticate'], /error="insufficient_scope"/)
  const admin = bearer(token({ role: 'admin' }))
  t.equal((await app.inject({ method: 'DELETE', url: '/things/1', headers: admin })).statusCode, 200)
  const runner = bearer(token({ role: 'runner' }))
  t.equal((await app.inject({ url: '/things', headers: runner })).statusCode, 403, 'a runner stands apart')
})

t.test('a route for several roles accepts each of them, higher roles, and no others', async t => {
  const app = await guardedApp(t)
  app.get('/both', { config: { access: ['editor', 'runner'] } }, async request => request.principal.role)

  const answers = await Promise.all(
    ROLES.map(role => app.inject({ url: '/both', headers: bearer(token({ role })) })),
  )

  t.same(
    answers.map(({ statusCode }) => statusCode),
    [403, 200, 200, 200],
  )
  t.match(answers[0]?.json(), { code: 'role-too-low', detail: /editor or runner.*viewer/ })
})

t.test('a public route asks for nothing and looks at no token', async t => {
  const app = await guardedApp(t)

  const without = await app.inject('/open')
  const withBad = await app.inject({ url: '/open', headers: bearer('garbage') })

  t.strictSame([without.statusCode, without.json()], [200, { caller: null }])
  t.equal(withBad.statusCode, 200)
})

t.test('asking for the principal of a public route is a mistake that shows', async t => {
  const app = await guardedApp(t)
  app.get('/mistaken', { config: { access: 'public' } }, async request => request.principal)

  t.equal((await app.inject('/mistaken')).statusCode, 500)
})

t.test('no way of writing the path walks past the token', async t => {
  const app = await guardedApp(t)
  const lenient = await guardedApp(t, {
    routerOptions: { caseSensitive: false, ignoreDuplicateSlashes: true, ignoreTrailingSlash: true },
  })
  const paths = ['//things', '/%74hings', '/things/', '/THINGS', '/things?', '/things#x', '//%54hings//']
  const others = [
    '/./things',
    '/open/../things',
    '/things%2f',
    '/things;x',
    '/things%00',
    '/%2e/things',
    '/things%zz',
  ]

  for (const method of ['GET', 'HEAD', 'POST'] as const) {
    for (const path of paths) {
      t.equal((await lenient.inject({ method, url: path })).statusCode, 401, `${method} ${path}`)
    }
    for (const path of [...paths, ...others]) {
      const { statusCode } = await app.inject({ method, url: path })
      t.ok([400, 401, 404, 405].includes(statusCode), `${method} ${path}: ${statusCode}`)
    }
  }
})

t.test('HEAD needs the same role as GET', async t => {
  const app = await guardedApp(t)

  t.equal((await app.inject({ method: 'HEAD', url: '/things' })).statusCode, 401)
  t.equal((await app.inject({ method: 'HEAD', url: '/things', headers: bearer(token()) })).statusCode, 200)
})

t.test('a missing route needs no token and reveals nothing', async t => {
  const app = await guardedApp(t)

  const without = await app.inject('/secret?token=abc')
  const withToken = await app.inject({ url: '/secret', headers: bearer(token()) })

  t.match({ status: without.statusCode, ...without.json() }, { status: 404, code: 'not-found' })
  t.notMatch(without.body, /secret|abc/)
  t.equal(withToken.statusCode, 404)
})

t.test('a stream route accepts a token in the query and removes it before the handler', async t => {
  const app = await guardedApp(t)

  const response = await app.inject(`/stream?limit=5&token=${token()}`)

  t.equal(response.statusCode, 200)
  t.match(response.json(), { principal: { id: 'ada' }, query: { limit: 5 } })
  t.notHas(response.json().query, 'token')
  t.equal((await app.inject('/stream?token=')).json().code, 'token-missing')
  t.equal((await app.inject('/stream?token=garbage')).json().code, 'token-invalid')
})

t.test(
  'a token in the query opens no other route, nor a stream route where that is switched off',
  async t => {
    const app = await guardedApp(t)
    const strict = await guardedApp(t, { queryToken: false })
    const query = `?token=${token()}`

    t.equal((await app.inject(`/things${query}`)).json().code, 'token-missing')
    t.equal((await strict.inject(`/stream${query}`)).json().code, 'token-missing')
    const withHeader = await app.inject({ url: `/things${query}`, headers: bearer(token()) })
    t.match(
      { status: withHeader.statusCode, ...withHeader.json() },
      { status: 400, detail: 'query/token is not known' },
    )
  },
)

t.test('two tokens are refused, wherever they are', async t => {
  const app = await guardedApp(t)
  const good = token()
  const address = await app.listen({ host: '127.0.0.1', port: 0 })

  const both = await app.inject({ url: `/stream?token=${good}`, headers: bearer(good) })
  const twice = await app.inject(`/stream?token=${good}&token=${good}`)
  const doubled = await exchange(address, [
    'GET /things HTTP/1.1',
    'Host: x',
    `Authorization: Bearer ${good}`,
    `authorization: Bearer ${good}`,
    'Connection: close',
  ])

  t.match({ status: both.statusCode, ...both.json() }, { status: 400, code: 'two-credentials' })
  t.match(both.headers['www-authenticate'], /error="invalid_request"/)
  t.equal(twice.json().code, 'two-credentials')
  t.match(doubled, /^HTTP\/1.1 400 .*two-credentials/s)
})

t.test('an app with a route that declares no access does not boot, and names the route', async t => {
  for (const config of [
    undefined,
    {},
    { access: 'everyone' },
    { access: undefined },
    { access: [] },
    { access: ['viewer', 'public'] },
  ]) {
    const app = await guardedApp(t)
    // The compiler refuses these too; plugins in JavaScript have no compiler.
    const route = { method: 'GET', url: '/forgotten', handler: async () => 'secret', config } as never

    t.throws(() => app.route(route), /GET \/forgotten must declare config\.access/)
  }
})

t.test('a route from before the check stays shut', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(caller)
  await app.register(problems)
  await app.register(rateLimit, { max: 0, addressMax: 0 })
  app.get('/early', async () => 'secret')
  await app.register(tokens, {
    keys: { kind: 'secret', secret: SECRET, algorithms: ['HS256'] },
    claims: CLAIMS,
  })
  await app.register(auth, { principalOfToken: app.verifyToken, queryToken: true })

  t.equal((await app.inject('/early')).statusCode, 401)
  const response = await app.inject({ url: '/early', headers: bearer(token({ role: 'admin' })) })
  t.equal(response.statusCode, 500)
  t.notMatch(response.body, /secret|early/)
})

/** What the server answers to these lines; Node's own client would merge doubled headers. */
async function exchange(address: string, lines: string[]): Promise<string> {
  const { hostname, port } = new URL(address)
  const socket = connect(Number(port), hostname)
  let answer = ''
  socket.on('data', chunk => {
    answer += chunk
  })
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  await once(socket, 'close')
  return answer
}
