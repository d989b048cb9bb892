import t from 'tap'
import {
  besidePath,
  nameOfStreamCookie,
  newStreamSecret,
  removeOldStreamCookies,
  setStreamCookie,
  streamSecret,
} from '../../../../src/auth/tickets/stream-cookie.js'

const SCOPE = '/projects/website/events?stream_id=7'
const PATH = '/projects/website/events'
const SECRET = 'n4Xi0qJv3uLq8wz2YcS7Zb1kQ9m5T6rAeHd0FgPoWVs'
const name = nameOfStreamCookie(SCOPE)

t.test('the cookie is for the path of its stream, and no script and no other site can use it', async t => {
  const given = { scope: SCOPE, secret: SECRET, path: PATH, maxAgeMs: 60_999 }

  t.equal(
    setStreamCookie({ ...given, secure: false }),
    `${name}=${SECRET}; Max-Age=60; Path=${PATH}; HttpOnly; SameSite=Strict`,
  )
  t.match(setStreamCookie({ ...given, secure: true }), /; SameSite=Strict; Secure$/)
  t.match(newStreamSecret(), /^[A-Za-z0-9_-]{43}$/)
  t.not(newStreamSecret(), newStreamSecret())
})

t.test('the cookies of several streams differ in their names', async t => {
  const other = '/projects/website/events?stream_id=8'
  const cookies = `a=1; ${nameOfStreamCookie(other)}=${SECRET.replace('n', 'm')};${name}=${SECRET} ; b="2"`

  t.equal(streamSecret(cookies, SCOPE), SECRET)
  t.equal(streamSecret(cookies, other), SECRET.replace('n', 'm'))
  t.equal(streamSecret(cookies, '/projects/shop/events?stream_id=7'), undefined)
})

t.test('a malformed cookie is ignored', async t => {
  for (const cookies of [
    undefined,
    '',
    `${name}=`,
    `${name}=${SECRET}x`,
    `${name}=${SECRET.slice(1)}`,
    `${name}="${SECRET}"`,
    `x${name}=${SECRET}`,
    `${name.toUpperCase()}=${SECRET}`,
    `${name} =${SECRET}`,
  ]) {
    t.equal(streamSecret(cookies, SCOPE), undefined, `${cookies}`)
  }
})

t.test('a browser keeps the 64 newest cookies of a path, and the one of the requested stream', async t => {
  const scopes = Array.from({ length: 70 }, (_, n) => `/projects/website/events?stream_id=job-${n}`)
  const cookies = scopes.map(scope => `${nameOfStreamCookie(scope)}=${SECRET}`)
  const place = { path: PATH, secure: false }
  const removal = (scope: string) =>
    `${nameOfStreamCookie(scope)}=; Max-Age=0; Path=${PATH}; HttpOnly; SameSite=Strict`
  const last = { ...place, scope: scopes[69] ?? '' }

  t.strictSame(removeOldStreamCookies(cookies.join('; '), last), scopes.slice(0, 6).map(removal))
  t.strictSame(
    removeOldStreamCookies(cookies.join('; '), { ...place, scope: scopes[0] ?? '' }),
    scopes.slice(1, 7).map(removal),
  )
  t.strictSame(removeOldStreamCookies(cookies.slice(0, 64).join('; '), last), scopes.slice(0, 1).map(removal))
  t.strictSame(removeOldStreamCookies(cookies.slice(0, 63).join('; '), last), [])
})

t.test('the path of the cookie keeps the spelling of the request', async t => {
  const fallback = '/live/projects/org%3Asite/events'
  for (const [target, path] of [
    ['/live/projects/org:site/shell', '/live/projects/org:site/events'],
    ['/live/projects/org%3asite/shell?a=b', '/live/projects/org%3asite/events'],
    ['/live/projects/org:site/shell/', fallback],
  ] as const) {
    t.equal(besidePath(target, 'events', fallback), path)
  }
})

// Attack: the path of a request ends the attribute and begins others, such as a Domain of the attacker's choice.
t.test('a path that would end the attribute is not repeated', async t => {
  const fallback = '/projects/a%3B%20Domain%3Dexample.com/events'
  for (const target of [
    '/projects/a;%20Domain=example.com/shell',
    '/projects/a"b/shell',
    '/projects/ä/shell',
    '/projects/a%zz/shell',
  ]) {
    t.equal(besidePath(target, 'events', fallback), fallback, target)
  }
  const cookies = Array.from({ length: 70 }, (_, n) => `${nameOfStreamCookie(`${n}`)}=${SECRET}`).join('; ')
  const evil = { scope: SCOPE, path: '/projects/a;Domain=example.com/events', secure: false }
  t.strictSame(removeOldStreamCookies(cookies, evil), [])
})
