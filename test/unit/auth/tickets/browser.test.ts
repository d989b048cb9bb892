import t from 'tap'
import { browserOf } from '../../../../src/auth/tickets/browser.js'

const SECRET = 'n4Xi0qJv3uLq8wz2YcS7Zb1kQ9m5T6rAeHd0FgPoWVs'

t.test('a browser without the cookie gets one that no script and no other site can use', async t => {
  const plain = browserOf(undefined, false)
  const secure = browserOf(undefined, true)

  t.match(plain.secret, /^[A-Za-z0-9_-]{43}$/)
  t.equal(plain.setCookie, `sluice_browser=${plain.secret}; Path=/; HttpOnly; SameSite=Strict`)
  t.equal(
    secure.setCookie,
    `__Host-sluice_browser=${secure.secret}; Path=/; HttpOnly; SameSite=Strict; Secure`,
  )
  t.not(plain.secret, secure.secret)
})

t.test('a browser that has the cookie keeps it, whatever others it has', async t => {
  for (const cookies of [
    `sluice_browser=${SECRET}`,
    `a=1; sluice_browser=${SECRET}; b="2"`,
    `a=1;sluice_browser=${SECRET} `,
  ]) {
    t.strictSame(browserOf(cookies, false), { secret: SECRET, setCookie: undefined }, cookies)
  }
  t.equal(browserOf(`__Host-sluice_browser=${SECRET}`, true).secret, SECRET)
})

t.test('a malformed cookie is ignored', async t => {
  for (const cookies of [
    '',
    'sluice_browser=',
    `sluice_browser=${SECRET}x`,
    `sluice_browser=${SECRET.slice(1)}`,
    `sluice_browser="${SECRET}"`,
    `sluice_browser=${SECRET.replace('n', '%6e')}`,
    `x_sluice_browser=${SECRET}`,
    `SLUICE_BROWSER=${SECRET}`,
    `__Host-sluice_browser=${SECRET}`,
  ]) {
    t.not(browserOf(cookies, false).secret, SECRET, cookies)
  }
})

// Attack: a page of a sibling domain gives the victim a cookie that the attacker knows. Under the prefix no browser takes
// it from there, so over HTTPS only that name counts.
t.test('over HTTPS a cookie without the prefix counts for nothing', async t => {
  const { secret, setCookie } = browserOf(`sluice_browser=${SECRET}`, true)

  t.not(secret, SECRET)
  t.match(setCookie, /^__Host-/)
})
