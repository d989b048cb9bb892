import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import { createKeySet } from '../../../../src/auth/tokens/key-set.js'
import { keysOf } from '../../../../src/auth/tokens/keys.js'
import { movableClock } from '../../../harness/clock.js'
import { guardedApp } from '../../../harness/guarded-app.js'
import { bearer, signedBy, token } from '../../../harness/tokens.js'

const MINUTE = 60_000
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })

/** A JWK, as an issuer publishes it. */
function jwk(key: KeyObject, members: object = {}): object {
  return { ...key.export({ format: 'jwk' }), use: 'sig', ...members }
}

/** An issuer whose answer the test decides; counts how often it is asked. */
async function issuer(t: Test, keys: readonly object[]) {
  const state = {
    keys,
    requests: 0,
    paths: [] as string[],
    url: '',
    answer: (response: ServerResponse): unknown => response.end(JSON.stringify({ keys: state.keys })),
    /** What its answers are declared as; undefined: nothing. */
    type: 'application/json' as string | undefined,
  }
  const server = createServer((request, response) => {
    state.requests++
    state.paths.push(request.url ?? '')
    if (state.type !== undefined) response.setHeader('content-type', state.type)
    state.answer(response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  state.url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  return state
}

function down(response: ServerResponse): void {
  response.statusCode = 500
  response.end('{}')
}

t.test('tokens of every kind of key in the set open a route; the set is fetched once', async t => {
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const ed25519 = generateKeyPairSync('ed25519')
  const source = await issuer(t, [
    jwk(rsa.publicKey, { kid: 'r', alg: 'RS256' }),
    jwk(rsa.publicKey, { kid: 'p' }),
    jwk(ec.publicKey, { kid: 'e' }),
    jwk(p384.publicKey, { kid: 'e3' }),
    jwk(ed25519.publicKey, { kid: 'd' }),
  ])
  const app = await guardedApp(t, { keys: keysOf({ JWKS_URL: source.url }) })
  const tokens = [
    signedBy(rsa.privateKey, 'RS256', { kid: 'r' }),
    signedBy(rsa.privateKey, 'PS256', { kid: 'p' }),
    signedBy(ec.privateKey, 'ES256', { kid: 'e' }),
    signedBy(p384.privateKey, 'ES384', { kid: 'e3' }),
    signedBy(ed25519.privateKey, 'EdDSA', { kid: 'd' }),
  ]

  const answers = await Promise.all(tokens.map(each => app.inject({ url: '/things', headers: bearer(each) })))

  t.strictSame(
    answers.map(answer => answer.statusCode),
    [200, 200, 200, 200, 200],
  )
  t.equal(source.requests, 1)
})

t.test('bad tokens and games with kid are 401s', async t => {
  const source = await issuer(t, [
    jwk(rsa.publicKey, { kid: 'r', alg: 'RS256' }),
    jwk(ec.publicKey, { kid: 'e' }),
    { kty: 'oct', kid: 'o', k: Buffer.from('public').toString('base64url') },
  ])
  const app = await guardedApp(t, { keys: keysOf({ JWKS_URL: source.url }) })
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const bad: Record<string, string> = {
    'unknown kid': signedBy(rsa.privateKey, 'RS256', { kid: 'nobody' }),
    'kid that is a path': signedBy(rsa.privateKey, 'RS256', { kid: '../../dev/null' }),
    'kid that is a query': signedBy(rsa.privateKey, 'RS256', { kid: "r' or '1'='1" }),
    'kid a number': signedBy(rsa.privateKey, 'RS256', { kid: 1 }),
    'kid an object': signedBy(rsa.privateKey, 'RS256', { kid: { $ne: '' } }),
    'kid null': signedBy(rsa.privateKey, 'RS256', { kid: null }),
    'kid inherited': signedBy(rsa.privateKey, 'RS256', { kid: '__proto__' }),
    'kid of another key': signedBy(stranger.privateKey, 'RS256', { kid: 'r' }),
    'kid of a key of another kind': signedBy(rsa.privateKey, 'RS256', { kid: 'e' }),
    'kid of a key for another algorithm': signedBy(rsa.privateKey, 'PS256', { kid: 'r' }),
    'a symmetric key from the set': token({}, { kid: 'o' }, 'public'),
    'a key of its own in the header': signedBy(stranger.privateKey, 'RS256', {
      jwk: jwk(stranger.publicKey),
    }),
    'a set of its own in the header': signedBy(stranger.privateKey, 'RS256', {
      kid: 'x',
      jku: 'http://127.0.0.1:1/',
    }),
    unsigned: `${signedBy(rsa.privateKey, 'RS256', { kid: 'r' }).split('.').slice(0, 2).join('.')}.`,
    garbage: 'garbage',
  }

  for (const [name, credentials] of Object.entries(bad)) {
    const response = await app.inject({ url: '/things', headers: bearer(credentials) })
    t.match({ status: response.statusCode, ...response.json() }, { status: 401, code: 'token-invalid' }, name)
  }
  t.equal(source.requests, 1, 'made-up kids do not make us ask the issuer again')
})

t.test('an issuer that is down is a 503 that names the keys, and the log says why', async t => {
  const source = await issuer(t, [])
  const lines: string[] = []
  const app = await guardedApp(t, { keys: keysOf({ JWKS_URL: source.url }), log: line => lines.push(line) })
  const credentials = bearer(signedBy(rsa.privateKey, 'RS256', { kid: 'r' }))
  source.answer = down

  const response = await app.inject({ url: '/things', headers: credentials })

  t.match({ status: response.statusCode, ...response.json() }, { status: 503, code: 'keys-unavailable' })
  t.match(response.headers, { 'retry-after': '5' })
  t.notMatch(response.body, source.url)
  t.match(lines.join(''), 'answered 500')
})

t.test('answers that are no key set count as down', async t => {
  const source = await issuer(t, [])
  const answers = ['not json', '[]', '{}', '{"keys":{}}', 'null', '']

  for (const text of answers) {
    source.answer = response => response.end(text)
    await t.rejects(createKeySet(source.url).find({ alg: 'RS256' }), { code: 'keys-unavailable' }, text)
  }
  source.answer = response => response.socket?.destroy()
  await t.rejects(createKeySet(source.url).find({ alg: 'RS256' }), { code: 'keys-unavailable' })
  await t.rejects(createKeySet('http://127.0.0.1:1').find({ alg: 'RS256' }), { code: 'keys-unavailable' })
})

t.test(
  'a key that the issuer has withdrawn is dropped at the next fetch, however often it is used',
  async t => {
    let now = 0
    const source = await issuer(t, [jwk(rsa.publicKey, { kid: 'old' })])
    const keys = createKeySet(source.url, () => now)
    await keys.find({ kid: 'old', alg: 'RS256' })
    source.keys = [jwk(ec.publicKey, { kid: 'new' })]

    now = 4 * MINUTE
    t.ok(await keys.find({ kid: 'old', alg: 'RS256' }), 'still fresh')
    now = 6 * MINUTE
    await t.rejects(keys.find({ kid: 'old', alg: 'RS256' }), { code: 'token-invalid' })
    t.ok(await keys.find({ kid: 'new', alg: 'ES256' }))
  },
)

t.test('a token whose key has been withdrawn is refused, even if it was cached', async t => {
  const clock = movableClock(t)
  const source = await issuer(t, [jwk(rsa.publicKey, { kid: 'old' })])
  const app = await guardedApp(t, { keys: keysOf({ JWKS_URL: source.url }) })
  const headers = bearer(signedBy(rsa.privateKey, 'RS256', { kid: 'old' }))
  const ask = () => app.inject({ url: '/things', headers })
  t.equal((await ask()).statusCode, 200)
  t.equal((await ask()).statusCode, 200)

  source.keys = [jwk(ec.publicKey, { kid: 'new' })]
  clock.forward(6 * MINUTE)

  t.match(
    { status: (await ask()).statusCode, ...(await ask()).json() },
    { status: 401, code: 'token-invalid' },
  )
})

t.test('a new key is found at once, but the issuer is asked once in 5 seconds at most', async t => {
  let now = 0
  const source = await issuer(t, [jwk(rsa.publicKey, { kid: 'old' })])
  const keys = createKeySet(source.url, () => now)
  await keys.find({ kid: 'old', alg: 'RS256' })
  source.keys = [jwk(rsa.publicKey, { kid: 'old' }), jwk(ec.publicKey, { kid: 'new' })]

  await t.rejects(keys.find({ kid: 'new', alg: 'ES256' }), { code: 'token-invalid' })
  now = 5_000
  const found = await Promise.all(Array.from({ length: 20 }, () => keys.find({ kid: 'new', alg: 'ES256' })))

  t.equal(new Set(found).size, 1)
  t.equal(source.requests, 2)
})

t.test('while the issuer is down the cached keys stay valid for an hour, and no request waits', async t => {
  let now = 0
  const source = await issuer(t, [jwk(rsa.publicKey, { kid: 'r' })])
  const keys = createKeySet(source.url, () => now)
  await keys.find({ kid: 'r', alg: 'RS256' })
  source.answer = down

  now = 30 * MINUTE
  t.ok(await keys.find({ kid: 'r', alg: 'RS256' }))
  const hanging: ServerResponse[] = []
  const asked = new Promise(resolve => {
    source.answer = response => resolve(hanging.push(response))
  })
  now = 40 * MINUTE
  const found = keys.find({ kid: 'r', alg: 'RS256' })
  t.match(await Promise.race([found, asked]), 'PUBLIC KEY', 'before the issuer has even been reached')
  now = 61 * MINUTE
  const waiting = keys.find({ kid: 'r', alg: 'RS256' })
  source.answer = down
  for (const response of hanging) down(response)
  await t.rejects(waiting, { code: 'keys-unavailable' })
})

t.test(
  'an issuer that keeps failing is asked by one fetch at a time, ever less often; keys at hand stay usable, and it is asked within 20 s of its return',
  async t => {
    const clock = movableClock(t)
    const source = await issuer(t, [jwk(rsa.publicKey, { kid: 'r' })])
    const keys = createKeySet(source.url)
    await keys.find({ kid: 'r', alg: 'RS256' })
    source.answer = down
    const ask = () => keys.find({ kid: 'unknown', alg: 'RS256' }).catch(error => error)
    const requests: number[] = []
    const refused = new Set<unknown>()

    for (let minute = 0; minute < 5; minute++) {
      const before = source.requests
      for (let second = 0; second < 60; second += 5) {
        clock.forward(5_001)
        const refusals = await Promise.all(Array.from({ length: 20 }, ask))
        for (const { code, status, members } of refusals)
          refused.add(`${status} ${code} ${members?.retry_after <= 20}`)
        t.ok(await keys.find({ kid: 'r', alg: 'RS256' }))
      }
      requests.push(source.requests - before)
    }
    source.answer = response =>
      response.end(JSON.stringify({ keys: [jwk(rsa.publicKey, { kid: 'unknown' })] }))
    clock.forward(20_001)

    t.match(await ask(), 'PUBLIC KEY')
    t.strictSame(requests, [8, 3, 3, 3, 3])
    t.strictSame([...refused], ['503 keys-unavailable true'])
  },
)

t.test('a fetch from an issuer that never answers times out', async t => {
  const source = await issuer(t, [])
  source.answer = () => undefined
  const { timeout } = AbortSignal
  t.intercept(AbortSignal, 'timeout', { value: (ms: number) => timeout(ms / 100) })

  await t.rejects(createKeySet(source.url).find({ alg: 'RS256' }), { code: 'keys-unavailable' })
})

t.test('a redirect is not followed, wherever it leads', async t => {
  const elsewhere = await issuer(t, [jwk(rsa.publicKey, { kid: 'r' })])
  const source = await issuer(t, [])

  for (const status of [301, 302, 303, 307, 308]) {
    source.answer = response => response.writeHead(status, { location: elsewhere.url }).end()
    const refusal = await createKeySet(source.url)
      .find({ kid: 'r', alg: 'RS256' })
      .catch(error => error)
    t.match(refusal, {
      code: 'keys-unavailable',
      cause: { cause: { message: /set JWKS_URL to the address/ } },
    })
  }
  t.equal(elsewhere.requests, 0)
})

t.test('an endless answer is aborted after half a megabyte, and the rest is not read', async t => {
  const source = await issuer(t, [])
  const cut = new Promise(resolve => {
    source.answer = response => {
      response.on('close', resolve)
      response.write('{"keys":[')
      const more = () => response.destroyed || response.write(' '.repeat(65_536), more)
      more()
    }
  })

  const refusal = await createKeySet(source.url)
    .find({ alg: 'RS256' })
    .catch(error => error)

  t.match(refusal, { code: 'keys-unavailable', cause: { cause: { message: /bytes/ } } })
  await cut
})

t.test('a slow answer is aborted at the deadline', async t => {
  const source = await issuer(t, [])
  source.answer = response => response.write('{')
  const { timeout } = AbortSignal
  t.intercept(AbortSignal, 'timeout', { value: (ms: number) => timeout(ms / 100) })

  await t.rejects(createKeySet(source.url).find({ alg: 'RS256' }), { code: 'keys-unavailable' })
})

t.test('an answer that is not declared as JSON, and one with too many keys, is no key set', async t => {
  const source = await issuer(t, [jwk(rsa.publicKey, { kid: 'r' })])
  const find = () => createKeySet(source.url).find({ kid: 'r', alg: 'RS256' })

  for (const type of ['text/html', 'text/plain', 'application/jsonp', '', undefined]) {
    source.type = type
    await t.rejects(find(), { code: 'keys-unavailable' }, String(type))
  }
  for (const type of ['application/jwk-set+json', 'Application/JSON; charset=utf-8']) {
    source.type = type
    t.ok(await find(), type)
  }
  source.keys = Array.from({ length: 101 }, (_, n) => jwk(rsa.publicKey, { kid: n === 0 ? 'r' : `${n}` }))
  await t.rejects(find(), { code: 'keys-unavailable' })
  source.keys = source.keys
    .slice(1)
    .concat(jwk(rsa.publicKey, { kid: 'r' }))
    .slice(1)
  t.ok(await find(), '100 are taken')
})

t.test('a token without kid is accepted if only one key can have signed it', async t => {
  const source = await issuer(t, [
    jwk(rsa.publicKey, { kid: 'r' }),
    jwk(ec.publicKey),
    jwk(ec.publicKey, { kid: 'e' }),
  ])
  const keys = createKeySet(source.url)

  t.ok(await keys.find({ alg: 'RS256' }))
  await t.rejects(keys.find({ alg: 'ES256' }), { code: 'token-invalid' }, 'two could have')
})

t.test('keys for other uses, weak keys and unreadable ones are left out', async t => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const source = await issuer(t, [
    jwk(rsa.publicKey, { kid: 'a', use: 'enc' }),
    jwk(weak.publicKey, { kid: 'b' }),
    { kty: 'RSA', kid: 'c', n: '!' },
    jwk(rsa.publicKey, { kid: 'd', alg: 'RSA-OAEP' }),
    jwk(createPrivateKey(rsa.privateKey.export({ type: 'pkcs8', format: 'pem' })), { kid: 'private' }),
    jwk(rsa.publicKey, { kid: 'good' }),
  ])
  const keys = createKeySet(source.url)

  for (const kid of ['a', 'b', 'c', 'd'])
    await t.rejects(keys.find({ kid, alg: 'RS256' }), { code: 'token-invalid' }, kid)
  t.match(await keys.find({ kid: 'private', alg: 'RS256' }), /^-----BEGIN PUBLIC KEY/, 'its public half')
  t.ok(await keys.find({ kid: 'good', alg: 'RS256' }))
})

t.test('a clock that goes back keeps no withdrawn key', async t => {
  const clock = movableClock(t)
  const source = await issuer(t, [jwk(rsa.publicKey, { kid: 'r' })])
  const keys = createKeySet(source.url)
  const held = { kid: 'r', alg: 'RS256' }
  await keys.find(held)
  source.keys = []

  clock.forward(-60 * MINUTE)
  await keys.find(held)
  clock.forward(6 * MINUTE)

  await t.rejects(keys.find(held), { code: 'token-invalid' })
})

t.test('the key set of an issuer has a well-known path, and a full URL is used unchanged', async t => {
  const source = await issuer(t, [jwk(rsa.publicKey, { kid: 'r' })])
  const find = (url: string) => createKeySet(url).find({ kid: 'r', alg: 'RS256' })

  await find(source.url)
  await find(`${source.url}/realms/main/`)
  await find(`${source.url}/oauth2/v3/certs?v=1`)

  t.strictSame(source.paths, [
    '/.well-known/jwks.json',
    '/realms/main/.well-known/jwks.json',
    '/oauth2/v3/certs?v=1',
  ])
})
