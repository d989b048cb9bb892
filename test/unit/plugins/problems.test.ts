import { connect } from 'node:net'
import t, { type Test } from 'tap'
import Type from 'typebox'
import { Problem, unavailable } from '../../../src/problems/problem.js'
import { guardedApp } from '../../harness/guarded-app.js'
import { bearer, token } from '../../harness/tokens.js'

const OPEN = { config: { access: 'public' } } as const
const EDITOR = bearer(token({ role: 'editor' }))

/** An app with a public route that throws `error`, and the lines that it logs. */
async function throwing(test: Test, error: unknown) {
  const lines: string[] = []
  const app = await guardedApp(test, { log: line => lines.push(line) })
  app.get('/throws', OPEN, async () => {
    throw error
  })
  return { app, lines }
}

t.test('a problem is answered as its document, extra members and Retry-After included', async t => {
  const app = await guardedApp(t)
  app.get('/gone', OPEN, async () => {
    throw new Problem(410, 'stream-closed', 'The stream has ended.', { head: '7.abcdef' })
  })
  app.get('/later', OPEN, async () => {
    throw unavailable('in-maintenance', 'Not now.', 30)
  })

  const gone = await app.inject({ url: '/gone', headers: { 'x-request-id': 'abc-1' } })
  const later = await app.inject('/later')

  t.equal(gone.statusCode, 410)
  t.match(gone.headers, {
    'content-type': /^application\/problem\+json/,
    'cache-control': 'no-store',
    'x-request-id': 'abc-1',
    'x-content-type-options': 'nosniff',
  })
  t.strictSame(gone.json(), {
    type: 'urn:sluice:problem:stream-closed',
    title: 'Stream closed',
    status: 410,
    code: 'stream-closed',
    detail: 'The stream has ended.',
    request_id: 'abc-1',
    head: '7.abcdef',
  })
  t.match([later.statusCode, later.headers['retry-after'], later.json().retry_after], [503, '30', 30])
})

t.test('whatever else is thrown is a 500 without its text, and logged with the request id', async t => {
  const secret = 'postgres://sluice:hunter2@db/sluice'
  const thrown = [
    new Error(`cannot reach ${secret}`),
    new TypeError('x is not a function'),
    Object.assign(new Error('syntax error at or near "users"'), { code: '42601', detail: 'internal' }),
    Object.assign(new Error('with a status of its own'), { statusCode: 502 }),
    'just text',
    undefined,
    null,
    { code: 'FST_ERR_BAD_URL' },
  ]

  for (const error of thrown) {
    const { app, lines } = await throwing(t, error)
    const response = await app.inject({ url: '/throws', headers: { 'x-request-id': 'trace-me' } })

    t.match(
      { status: response.statusCode, ...response.json() },
      { status: 500, code: 'internal', request_id: 'trace-me' },
    )
    t.notMatch(response.body, /hunter2|users|function|text|own/)
    const logged = lines.find(line => line.includes('request failed')) ?? ''
    t.match(JSON.parse(logged), { level: 50, reqId: 'trace-me' })
    t.notMatch(lines.join(''), 'hunter2')
  }
})

t.test('a lost database is a 503 to be tried again', async t => {
  const lost = [
    Object.assign(new Error('terminating connection'), { code: '57P01' }),
    Object.assign(new Error('connect ECONNREFUSED 10.0.0.7:5432'), { code: 'ECONNREFUSED' }),
    new Error('Connection terminated unexpectedly'),
  ]

  for (const error of lost) {
    const { app, lines } = await throwing(t, error)
    const response = await app.inject('/throws')

    t.match(
      { status: response.statusCode, ...response.json() },
      { status: 503, code: 'database-unavailable' },
    )
    t.match(response.headers, { 'retry-after': '2' })
    t.notMatch(response.body, '10.0.0.7')
    t.match(lines.join(''), error.message)
  }
})

t.test("a route's own response schemas do not filter a problem", async t => {
  const app = await guardedApp(t)
  const schema = { response: { 409: Type.Object({ nothing: Type.String() }) } }
  app.get('/conflict', { ...OPEN, schema }, async () => {
    throw new Problem(409, 'conflict', 'No.')
  })

  t.equal((await app.inject('/conflict')).json().code, 'conflict')
})

t.test('bodies that cannot be read are refused with the reason', async t => {
  const app = await guardedApp(t)
  const post = (payload: string, type = 'application/json') =>
    app.inject({ method: 'POST', url: '/things', headers: { ...EDITOR, 'content-type': type }, payload })
  const cases: ReadonlyArray<readonly [payload: string, type: string, status: number, code: string]> = [
    ['{"name":', 'application/json', 400, 'invalid-json'],
    ['', 'application/json', 400, 'invalid-json'],
    ['{"name":"a","__proto__":{"admin":true}}', 'application/json', 400, 'forbidden-key'],
    ['{"name":"a","\\u005f_proto__":1}', 'application/json', 400, 'forbidden-key'],
    ['{"constructor":{"prototype":{"admin":true}}}', 'application/json', 400, 'forbidden-key'],
    ['name=a', 'application/x-www-form-urlencoded', 415, 'unsupported-media-type'],
    ['{"name":"a"}', 'text/plain', 415, 'unsupported-media-type'],
    ['{"name":"a"}', 'application/vnd.api+json', 415, 'unsupported-media-type'],
    ['{"name":"a"}', 'nonsense', 415, 'unsupported-media-type'],
    [`"${'x'.repeat(1024 * 1024)}"`, 'application/json', 413, 'body-too-large'],
  ]

  for (const [payload, type, status, code] of cases) {
    const response = await post(payload, type)
    t.match(
      { status: response.statusCode, ...response.json() },
      { status, code },
      `${type} ${payload.slice(0, 40)}`,
    )
  }
  t.equal((await post('{"name":"a"}', 'application/json; charset=utf-8')).statusCode, 200)
})

t.test('a path that exists with other methods is a 405 that lists them', async t => {
  const app = await guardedApp(t)
  app.get('/files/:name', OPEN, async (_, reply) => reply.callNotFound())

  const wrong = await app.inject({ method: 'PUT', url: '/things?x=1' })
  const nowhere = await app.inject({ method: 'PUT', url: '/nowhere' })

  t.match({ status: wrong.statusCode, ...wrong.json() }, { status: 405, code: 'method-not-allowed' })
  t.equal(wrong.headers.allow, 'GET, HEAD, POST')
  t.equal((await app.inject({ method: 'GET', url: '/things/5' })).headers.allow, 'DELETE')
  t.match({ status: nowhere.statusCode, ...nowhere.json() }, { status: 404, code: 'not-found' })
  t.equal((await app.inject('/files/none')).statusCode, 404, 'what a route itself does not find')
})

t.test('a path that is badly encoded or too long is a problem too', async t => {
  const app = await guardedApp(t)

  const bad = await app.inject('/things/%zz')
  const long = await app.inject({ method: 'DELETE', url: `/things/${'a'.repeat(500)}` })

  t.match({ status: bad.statusCode, ...bad.json() }, { status: 400, code: 'bad-url' })
  t.match({ status: long.statusCode, ...long.json() }, { status: 414, code: 'path-too-long' })
})

t.test('HEAD gets the status of a problem without its document', async t => {
  const { app } = await throwing(t, new Error('boom'))
  const address = await app.listen({ host: '127.0.0.1', port: 0 })

  const failed = await fetch(`${address}/throws`, { method: 'HEAD' })
  const missing = await fetch(`${address}/nowhere`, { method: 'HEAD' })

  t.strictSame([failed.status, await failed.text()], [500, ''])
  t.strictSame([missing.status, await missing.text()], [404, ''])
})

t.test('an error after the reply was taken over breaks neither the reply nor the process', async t => {
  const lines: string[] = []
  const app = await guardedApp(t, { log: line => lines.push(line) })
  app.get('/taken', OPEN, async (_, reply) => {
    reply.hijack()
    reply.raw.writeHead(200, { 'content-type': 'text/plain' })
    reply.raw.write('first ')
    setImmediate(() => reply.raw.end('second'))
    throw new Error('too late')
  })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })

  const response = await fetch(`${address}/taken`)

  t.strictSame([response.status, await response.text()], [200, 'first second'])
  t.equal((await fetch(`${address}/open`)).status, 200)
})

t.test('a client disconnect in the middle of a body is not logged as an error', async t => {
  const lines: string[] = []
  const app = await guardedApp(t, { log: line => lines.push(line) })
  const failed = new Promise<void>(resolve => app.addHook('onError', async () => resolve()))
  const arrived = new Promise<void>(resolve => app.addHook('preParsing', async () => resolve()))
  const { hostname, port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))

  const socket = connect(Number(port), hostname)
  const head = ['POST /things HTTP/1.1', 'Host: x', `Authorization: ${EDITOR.authorization}`]
  socket.write(
    `${[...head, 'Content-Type: application/json', 'Content-Length: 100'].join('\r\n')}\r\n\r\n{"name":`,
  )
  await arrived
  socket.destroy()
  await failed

  t.equal((await app.inject('/open')).statusCode, 200)
  t.notMatch(lines.join(''), /"level":[456]0/)
})
