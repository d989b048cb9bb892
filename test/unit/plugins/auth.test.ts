import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import t from 'tap'
import { type Key, keysOf } from '../../../src/auth/tokens/keys.js'
import { CLOCK_TOLERANCE_MS } from '../../../src/auth/tokens/token.js'
import { guardedApp } from '../../harness/guarded-app.js'
import {
  bearer,
  CLAIMS,
  goodClaims,
  SECRET,
  secondsFromNow,
  signedBy,
  token,
  unsigned,
} from '../../harness/tokens.js'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })

function pem(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }).toString()
}

t.test('a good token authenticates its principal', async t => {
  const app = await guardedApp(t)
  const exp = secondsFromNow(60)

  const response = await app.inject({ url: '/things', headers: bearer(token({ exp })) })

  t.equal(response.statusCode, 200)
  t.strictSame(response.json().principal, {
    id: 'ada',
    workspace: 'acme',
    role: 'viewer',
    expiresAt: exp * 1000,
    issuedAt: 0,
    credential: { kind: 'token' },
  })
})

t.test('the refusal of a request without a token names the scheme to use', async t => {
  const app = await guardedApp(t)

  for (const headers of [
    {},
    { authorization: '' },
    { authorization: 'Bearer ' },
    { authorization: 'Basic YTpi' },
  ]) {
    const response = await app.inject({ url: '/things', headers })

    t.equal(response.statusCode, 401)
    t.equal(response.headers['www-authenticate'], 'Bearer realm="sluice"')
    t.match(response.json(), { code: 'token-missing', detail: 'Authorization: Bearer' })
  }
})

t.test('every bad token is a 401 with a code, never a 500', async t => {
  const app = await guardedApp(t, { claims: { issuer: 'https://id.example', audience: 'sluice' } })
  const fine = { iss: 'https://id.example', aud: 'sluice' }
  const good = token(fine)
  const [head, body, signature] = good.split('.')
  const bad: Record<string, string> = {
    'alg none, unsigned': unsigned({ alg: 'none' }, goodClaims(fine)),
    'alg nOnE, unsigned': unsigned({ alg: 'nOnE' }, goodClaims(fine)),
    'alg NONE with a signature': unsigned({ alg: 'NONE' }, goodClaims(fine), signature),
    'alg missing': unsigned({ typ: 'JWT' }, goodClaims(fine), signature),
    'alg a number': unsigned({ alg: 256 }, goodClaims(fine), signature),
    'alg an array': unsigned({ alg: ['HS256'] }, goodClaims(fine), signature),
    'alg HS512, rightly signed': token(fine, { alg: 'HS512' }),
    'alg RS256 against a secret': token(fine, { alg: 'RS256' }),
    'HS256 without a signature': unsigned({ alg: 'HS256' }, goodClaims(fine)),
    'another secret': token(fine, {}, `${SECRET}!`),
    'an empty secret': token(fine, {}, ''),
    'the signature of other claims': `${head}.${token({ ...fine, role: 'admin' }).split('.')[1]}.${signature}`,
    'a bit of the signature flipped': good.replace(/.$/, last => (last === 'A' ? 'Q' : 'A')),
    'the signature padded': `${good}=`,
    'two parts': `${head}.${body}`,
    'four parts': `${good}.x`,
    'header not JSON': `bm90anNvbg.${body}.${signature}`,
    'header null': unsigned(JSON.parse('[null]'), goodClaims(fine), signature),
    'payload not JSON': `${head}.bm90anNvbg.${signature}`,
    'payload an array': unsigned({ alg: 'HS256' }, [1], signature),
    'payload a string': unsigned({ alg: 'HS256' }, 'claims', signature),
    'not base64url': '***.***.***',
    garbage: 'garbage',
    dots: '..',
    'only a signature': `..${signature}`,
    'a cookie-like value': 'token=abc',
    'an unknown critical header': token(fine, { crit: ['exp'] }),
    'a critical header that is no list': token(fine, { crit: 'b64' }),
    'kid an object, alg none': unsigned({ alg: 'none', kid: { $ne: null } }, goodClaims(fine)),
    'exp missing': token({ ...fine, exp: undefined }),
    'exp a fraction': token({ ...fine, exp: secondsFromNow(60) + 0.5 }),
    'exp text': token({ ...fine, exp: String(secondsFromNow(60)) }),
    'exp null': token({ ...fine, exp: null }),
    'exp an array': token({ ...fine, exp: [secondsFromNow(60)] }),
    'exp 1e300': token({ ...fine, exp: 1e300 }),
    'exp -1e300, which is no date': token({ ...fine, exp: -1e300 }),
    'nbf tomorrow': token({ ...fine, nbf: secondsFromNow(86_400) }),
    'nbf 1e300, which is no date': token({ ...fine, nbf: 1e300 }),
    'nbf text': token({ ...fine, nbf: 'now' }),
    'sub missing': token({ ...fine, sub: undefined }),
    'sub with a line break': token({ ...fine, sub: 'ada\r\nx' }),
    'workspace missing': token({ ...fine, workspace: undefined }),
    'workspace with a slash': token({ ...fine, workspace: 'acme/../globex' }),
    'workspace with NUL': token({ ...fine, workspace: 'acme\u0000' }),
    'role unknown': token({ ...fine, role: 'root' }),
    'role inherited': token({ ...fine, role: '__proto__' }),
    'issuer missing': token({ aud: 'sluice' }),
    'issuer foreign': token({ ...fine, iss: 'https://evil.example' }),
    'audience missing': token({ iss: fine.iss }),
    'audience foreign': token({ ...fine, aud: ['other'] }),
    'too long': token({ ...fine, sub: 'ada', pad: 'x'.repeat(16_384) }),
    '100 KB of garbage': 'x'.repeat(100_000),
    '100 KB of dots': '.'.repeat(100_000),
  }

  for (const [name, credentials] of Object.entries(bad)) {
    const response = await app.inject({ url: '/things', headers: bearer(credentials) })

    t.match(
      { status: response.statusCode, ...response.json() },
      { status: 401, code: 'token-invalid', type: 'urn:sluice:problem:token-invalid' },
      name,
    )
    t.match(response.headers['www-authenticate'], /^Bearer realm="sluice", error="invalid_token"/, name)
  }
  t.equal((await app.inject({ url: '/things', headers: bearer(good) })).statusCode, 200)
})

t.test('an expired token is reported as expired, and within the clock tolerance it still works', async t => {
  const app = await guardedApp(t)

  const expired = await app.inject({ url: '/things', headers: bearer(token({ exp: secondsFromNow(-60) })) })
  const barely = await app.inject({ url: '/things', headers: bearer(token({ exp: secondsFromNow(-1) })) })

  t.match({ status: expired.statusCode, ...expired.json() }, { status: 401, code: 'token-expired' })
  t.match(expired.headers['www-authenticate'], /error="invalid_token"/)
  t.equal(barely.statusCode, 200)
})

t.test('a cached token is refused once it expires', async t => {
  const app = await guardedApp(t)
  const credentials = bearer(token({ exp: secondsFromNow(60) }))
  t.equal((await app.inject({ url: '/things', headers: credentials })).statusCode, 200)

  const later = Date.now() + 61_000 + CLOCK_TOLERANCE_MS
  t.intercept(Date, 'now', { value: () => later })

  t.equal((await app.inject({ url: '/things', headers: credentials })).json().code, 'token-expired')
})

t.test('a public key accepts only tokens of its own algorithms', async t => {
  const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const ed25519 = generateKeyPairSync('ed25519')
  const cases = [
    { key: rsa, good: ['RS256', 'PS256'] },
    { key: p256, good: ['ES256'] },
    { key: p384, good: ['ES384'] },
    { key: ed25519, good: ['EdDSA'] },
  ] as const

  for (const { key, good } of cases) {
    const app = await guardedApp(t, {
      keys: keysOf({ JWT_PUBLIC_KEY: pem(key.publicKey).replaceAll('\n', '\\n') }),
    })
    const status = async (credentials: string) =>
      (await app.inject({ url: '/things', headers: bearer(credentials) })).statusCode

    for (const algorithm of good) {
      t.equal(await status(signedBy(key.privateKey, algorithm)), 200, algorithm)
    }
    t.equal(
      await status(token({}, {}, pem(key.publicKey))),
      401,
      `${good[0]}: HS256 with the public key as its secret`,
    )
    t.equal(await status(token({}, {}, pem(key.publicKey).trim())), 401, 'the same, trimmed')
    t.equal(
      await status(signedBy(rsa.privateKey, 'RS256', { alg: 'RS512' })),
      401,
      'another algorithm by name',
    )
    t.equal(await status(unsigned({ alg: 'none' })), 401, 'unsigned')
    const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 })
    t.equal(await status(signedBy(stranger.privateKey, 'RS256')), 401, 'another key')
    t.throws(() => app.signToken({ id: 'ada', workspace: 'acme', role: 'viewer' }, 60), /cannot sign/)
  }
})

const OTHER_SECRET = 'the secret before, 32 characters and more'
const PREVIOUS: Key = { kind: 'secret', secret: OTHER_SECRET, algorithms: ['HS256'] }

t.test(
  'tokens of the current and of the previous key are valid, whatever their kid; new ones are of the current',
  async t => {
    const app = await guardedApp(t, { previous: PREVIOUS })
    const answer = async (credentials: string) => {
      const response = await app.inject({ url: '/things', headers: bearer(credentials) })
      return [response.statusCode, response.json().code ?? response.json().principal.id]
    }
    const signed = app.signToken({ id: 'eve', workspace: 'acme', role: 'viewer' }, 60)
    const alone = await guardedApp(t)

    t.strictSame(await answer(token()), [200, 'ada'])
    t.strictSame(await answer(token({ sub: 'old' }, {}, OTHER_SECRET)), [200, 'old'])
    t.strictSame(await answer(token({ sub: 'old' }, { kid: 'k1' }, OTHER_SECRET)), [200, 'old'])
    t.strictSame(await answer(token({}, {}, `${OTHER_SECRET}!`)), [401, 'token-invalid'])
    t.strictSame(await answer(token({ exp: secondsFromNow(-60) }, {}, OTHER_SECRET)), [401, 'token-expired'])
    t.strictSame(await answer(token({ nbf: secondsFromNow(600) }, {}, OTHER_SECRET)), [401, 'token-invalid'])
    t.strictSame(await answer(token({}, { crit: ['exp'] }, OTHER_SECRET)), [401, 'token-invalid'])
    t.strictSame(await answer(unsigned({ alg: 'none' })), [401, 'token-invalid'])
    t.equal((await alone.inject({ url: '/things', headers: bearer(signed) })).statusCode, 200)
  },
)

t.test('each of two keys verifies with its own algorithms only', async t => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const current = keysOf({ JWT_PUBLIC_KEY: pem(pair.publicKey) })
  const app = await guardedApp(t, { keys: current, previous: PREVIOUS })
  const statusOf = async (credentials: string) =>
    (await app.inject({ url: '/things', headers: bearer(credentials) })).statusCode

  t.equal(await statusOf(signedBy(pair.privateKey, 'ES256')), 200)
  t.equal(await statusOf(token({}, {}, OTHER_SECRET)), 200)
  t.equal(await statusOf(token({}, {}, pem(pair.publicKey))), 401, 'HS256 with the public key as its secret')
  t.equal(await statusOf(signedBy(rsa.privateKey, 'RS256')), 401)
  const refused = await app.inject({ url: '/things', headers: bearer(signedBy(rsa.privateKey, 'RS256')) })
  t.match(refused.json().detail, 'it must be signed with ES256 or HS256')
})

t.test('a previous key verifies its tokens while the issuer of the new key set does not answer', async t => {
  const app = await guardedApp(t, {
    keys: keysOf({ JWKS_URL: 'http://127.0.0.1:1/keys' }),
    previous: PREVIOUS,
  })
  const answerTo = async (credentials: string) => {
    const response = await app.inject({ url: '/things', headers: bearer(credentials) })
    return [response.statusCode, response.json().code]
  }

  t.strictSame(await answerTo(token({}, {}, OTHER_SECRET)), [200, undefined])
  t.strictSame(await answerTo(signedBy(rsa.privateKey, 'RS256')), [503, 'keys-unavailable'])
})

t.test('a signed token works with the configured issuer, audience and claim names', async t => {
  const app = await guardedApp(t, {
    claims: {
      ...CLAIMS,
      workspaceClaim: ['ws'],
      roleClaim: ['may'],
      issuer: 'https://id.example',
      audience: 'sluice',
    },
  })
  await app.ready()

  const credentials = app.signToken({ id: 'ada', workspace: 'acme', role: 'editor' }, 60)

  const response = await app.inject({ url: '/things', headers: bearer(credentials) })
  t.match(response.json().principal, { id: 'ada', workspace: 'acme', role: 'editor' })
})
