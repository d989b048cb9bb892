import t from 'tap'
import { describeError, givenRequestId, redactUrl } from '../../../src/logging/http-log.js'
import { guardedApp } from '../../harness/guarded-app.js'
import { bearer, token } from '../../harness/tokens.js'

t.test('values of secret parameters are cut out of a URL, however it is written', async t => {
  const secret = 'eyJhbGciOiJIUzI1NiJ9.s3cret'
  const urls: Record<string, string> = {
    [`/stream?token=${secret}`]: '/stream?token=[redacted]',
    [`/stream?a=1&token=${secret}&b=2`]: '/stream?a=1&token=[redacted]&b=2',
    [`/stream?ticket=${secret}`]: '/stream?ticket=[redacted]',
    [`/stream?%74oken=${secret}`]: '/stream?%74oken=[redacted]',
    [`/stream?%54%4F%4B%45%4E=${secret}`]: '/stream?%54%4F%4B%45%4E=[redacted]',
    [`/stream?TOKEN=${secret}`]: '/stream?TOKEN=[redacted]',
    [`/stream?token=${secret}&token=${secret}`]: '/stream?token=[redacted]&token=[redacted]',
    [`/stream?token=${secret};x=1`]: '/stream?token=[redacted]',
    [`/stream?token=${secret}#x`]: '/stream?token=[redacted]',
    [`/stream?token=a=${secret}`]: '/stream?token=[redacted]',
    [`/stream#token=${secret}`]: '/stream#token=[redacted]',
    [`/stream;token=${secret}`]: '/stream;token=[redacted]',
    [`/stream?a=1?token=${secret}`]: '/stream?a=1?token=[redacted]',
    [`/stream?%zz&token=${secret}%`]: '/stream?%zz&token=[redacted]',
    [`?token=${secret}`]: '?token=[redacted]',
    '/stream?token=': '/stream?token=[redacted]',
    '/stream?key=slk_0123456789ab_s3cret&b=2': '/stream?key=slk_[redacted]&b=2',
    '/api/keys/slk_0123456789ab_s3cret/rotate': '/api/keys/slk_[redacted]/rotate',
    '/slk%5F0123456789ab%5fs3cret': '/slk_[redacted]',
  }

  for (const [url, redacted] of Object.entries(urls)) t.equal(redactUrl(url), redacted, url)
})

t.test('a URL without secrets is logged as it came', async t => {
  for (const url of [
    '/',
    '/items?search=token',
    '/items?tokens=3&x',
    '/items/token?x=y=z',
    '/%zz?a=%',
    '*',
    '',
  ]) {
    t.equal(redactUrl(url), url)
  }
})

t.test('an error is logged without passwords and tokens, in itself and in its causes', async t => {
  const cause = Object.assign(new Error('cannot parse postgres://sluice:hun:t@r2@db.example:5432/sluice'), {
    code: 'ERR_INVALID_URL',
    input: 'postgres://sluice:hunter2@db/sluice',
    detail: 'Key (email)=(ada@example.com) already exists.',
  })
  const error = new Error(`refused ${token()} and slk_0123456789ab_s3cret for password=hunter2`, { cause })

  const described = describeError(error)

  t.notMatch(JSON.stringify(described), /hunter2|hun:t|r2@|eyJ|s3cret|ada@example/)
  t.match(described, {
    type: 'Error',
    message: 'refused [redacted]',
    stack: /http-log\.test/,
    cause: { code: 'ERR_INVALID_URL', message: 'postgres://sluice:[redacted]@db.example:5432/sluice' },
  })
})

t.test('whatever was thrown can be logged', async t => {
  const circular = new Error('round and round')
  circular.cause = circular

  t.match(describeError('text'), { type: 'string', message: 'text' })
  t.match(describeError(undefined), { type: 'undefined' })
  t.ok(JSON.stringify(describeError(circular)).length < 20_000)
})

t.test('a request id that somebody gives is taken only if it is harmless', async t => {
  t.equal(givenRequestId('abc-123_x.y'), 'abc-123_x.y')
  for (const bad of ['', 'a b', 'a\nb', 'a'.repeat(65), '{"level":60}', 'a, b', 'é', undefined, ['a']]) {
    t.equal(givenRequestId(bad), undefined, String(bad))
  }
})

t.test('log lines hold the request and its id, and neither token nor header', async t => {
  const lines: string[] = []
  const app = await guardedApp(t, { log: line => lines.push(line) })
  const secret = token()

  await app.inject({
    url: `/stream?token=${secret}`,
    headers: { 'x-request-id': 'r-1', cookie: 'session=hunter2' },
  })
  await app.inject({
    url: `/things?%74oken=${secret}`,
    headers: { ...bearer(secret), 'user-agent': 'x\n{"level":60}' },
  })
  await app.inject(`/nowhere/%zz?token=${secret}`)
  await app.inject(`/nowhere?token=${secret}`)

  t.notMatch(lines.join(''), secret.split('.')[2])
  t.notMatch(lines.join(''), /hunter2|user-agent/)
  for (const line of lines) t.match(line, /^\{[^\n]*\}\n$/)
  t.match(JSON.parse(lines[0] ?? ''), {
    reqId: 'r-1',
    req: { method: 'GET', url: '/stream?token=[redacted]', remoteAddress: '127.0.0.1' },
  })
})
