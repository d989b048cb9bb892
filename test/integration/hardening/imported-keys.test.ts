/**
 * Attacks by way of imported keys, whose text has any form: guesses, keys in URLs, and texts that could be another kind of
 * credential.
 */
import { createHash } from 'node:crypto'
import t from 'tap'
import { importKey } from '../../../src/auth/api-keys/api-key-administration.js'
import { type Gateway, startGateway } from '../../harness/gateway.js'
import { bearer, token } from '../../harness/tokens.js'

const KEY = `sk_live_${'k'.repeat(24)}`
const OWNER = '203.0.113.1'
const ATTACKER = '198.51.100.1'

// Attack: many guesses, each of which would cost a query.
t.test('guesses are on the budget of their address, and the owner is not affected', async t => {
  const gateway = await startGateway(t, {
    env: { RATE_LIMIT_MAX: '1000', RATE_LIMIT_ADDRESS_MAX: '20', TRUSTED_PROXIES: '127.0.0.1' },
  })
  await importText(gateway, KEY)
  const guesses = Array.from({ length: 40 }, (_, n) => `sk_live_${String(n).padStart(24, '0')}`)

  const statuses: number[] = []
  for (const guess of guesses) {
    const headers = statuses.length % 2 ? bearer(guess) : { 'x-api-key': guess }
    statuses.push((await ask(gateway, headers, ATTACKER)).status)
  }

  t.strictSame(statuses, [...Array(20).fill(401), ...Array(20).fill(429)])
  t.equal(
    (await ask(gateway, { 'x-api-key': KEY }, ATTACKER)).status,
    429,
    'unchecked, as it would cost a query',
  )
  t.equal((await ask(gateway, { 'x-api-key': KEY }, OWNER)).status, 200)
  t.equal((await ask(gateway, { 'x-api-key': KEY }, ATTACKER)).status, 200, 'a key that is known costs none')
})

// Attack: a URL with the key is in a history or a log.
t.test('an imported key is not accepted in a URL, whatever the parameter', async t => {
  const gateway = await startGateway(t)
  await importText(gateway, KEY)

  for (const query of [`token=${KEY}`, `ticket=${KEY}`, `api_key=${KEY}`, `key=${KEY}`]) {
    const response = await fetch(`${gateway.url}/api/events?${query}`, {
      headers: { accept: 'application/json' },
    })
    t.match([400, 401].includes(response.status), true, query)
  }
  t.equal((await ask(gateway, bearer(KEY))).status, 200)
})

// Attack: the SHA-256 of a token of somebody else is imported as a key, so that the token acts with another role.
t.test(
  'a text is one kind of credential: a JWT is never a key, not even if its hash is imported',
  async t => {
    const gateway = await startGateway(t)
    const jwt = token({ role: 'viewer', jti: 'x' })
    const parts = `SG.${'a'.repeat(20)}.${'b'.repeat(20)}`
    await importText(gateway, jwt, { prefix: jwt.slice(0, 10), role: 'admin' })
    await importText(gateway, parts, { prefix: 'SG.' })

    t.equal((await ask(gateway, bearer(jwt), OWNER, '/api/keys')).status, 403, 'a viewer, as the token says')
    t.match(await ask(gateway, bearer(parts)), { status: 401, code: 'token-invalid' })
    t.match(await ask(gateway, { 'x-api-key': parts }), { status: 200 }, 'the header of keys says what it is')
    t.match(await ask(gateway, { ...bearer(KEY), 'x-api-key': KEY }), {
      status: 400,
      code: 'two-credentials',
    })
  },
)

async function importText({ app }: Gateway, text: string, others: { prefix?: string; role?: 'admin' } = {}) {
  const { prefix = 'sk_live_', role = 'viewer' } = others
  const secretHash = createHash('sha256').update(text).digest()
  const origin = { workspace: 'acme', principal: 'ada', address: null, requestId: null }
  await importKey(app.database, origin, {
    prefix,
    secretHash,
    role,
    name: 'CI',
    allowedIps: null,
    expiresAt: null,
  })
}

async function ask({ url }: Gateway, headers: Record<string, string>, from = OWNER, path = '/api/items') {
  const response = await fetch(`${url}${path}`, { headers: { ...headers, 'x-forwarded-for': from } })
  return { status: response.status, code: Object(await response.json()).code }
}
