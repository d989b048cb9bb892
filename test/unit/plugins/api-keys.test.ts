import Fastify, { type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import auth from '../../../plugins/auth.js'
import caller from '../../../plugins/caller.js'
import problems from '../../../plugins/problems.js'
import rateLimit from '../../../plugins/rate-limit.js'
import tokens from '../../../plugins/tokens.js'
import { addressNotAllowed } from '../../../src/auth/refusals.js'
import { logOptions } from '../../../src/logging/http-log.js'
import { bearer, CLAIMS, SECRET, token } from '../../harness/tokens.js'

const KEY = `slk_0123456789ab_${'s'.repeat(43)}`

/** An app of somebody's own around the plugin; the one key that it knows is good from 203.0.113.7 only. */
async function hostApp(test: Test, trustProxy: FastifyServerOptions['trustProxy']) {
  const lines: string[] = []
  const app = Fastify({
    trustProxy: trustProxy ?? false,
    logger: { ...logOptions('info'), stream: { write: (line: string) => lines.push(line) } },
  })
  test.teardown(() => app.close())
  await app.register(caller)
  await app.register(problems)
  await app.register(rateLimit, { max: 0, addressMax: 0 })
  await app.register(tokens, {
    keys: { kind: 'secret', secret: SECRET, algorithms: ['HS256'] },
    claims: CLAIMS,
  })
  await app.register(auth, {
    principalOfToken: app.verifyToken,
    queryToken: true,
    async principalOfKey(key, address) {
      if (key !== KEY || address !== '203.0.113.7') throw addressNotAllowed(address)
      return {
        id: 'key:0123456789ab',
        workspace: 'acme',
        role: 'viewer',
        expiresAt: Number.POSITIVE_INFINITY,
        issuedAt: 0,
        credential: { kind: 'key', id: '0123456789ab' },
      }
    },
  })
  app.get('/things', { config: { access: 'viewer' } }, async request => request.principal.id)
  app.get(
    '/stream',
    { config: { access: 'viewer', stream: () => undefined } },
    async request => request.query,
  )
  const ask = async (forwarded: string, headers: object = { 'x-api-key': KEY }) => {
    const response = await app.inject({
      url: '/things',
      remoteAddress: '192.0.2.1',
      headers: { 'x-forwarded-for': forwarded, ...headers },
    })
    return response.statusCode === 200 ? 200 : response.json().code
  }
  return { app, ask, lines }
}

t.test('an app that trusts its proxy by address takes keys from where they are good', async t => {
  const { ask, lines } = await hostApp(t, ['192.0.2.1'])

  t.equal(await ask('203.0.113.7'), 200)
  t.equal(await ask('203.0.113.7, 198.51.100.9'), 'address-not-allowed')
  t.equal(await ask('203.0.113.7', bearer(KEY)), 200)
  t.notMatch(lines.join(''), /trustProxy/)
})

t.test('an app that trusts every proxy refuses keys with address rules, and logs it', async t => {
  for (const trustProxy of [true, () => true, '0.0.0.0/1,128.0.0.0/1']) {
    const { ask, lines } = await hostApp(t, trustProxy)

    t.equal(await ask('203.0.113.7'), 'address-not-allowed', String(trustProxy))
    t.equal(await ask('203.0.113.7'), 'address-not-allowed')
    t.equal(await ask('203.0.113.7', bearer(token())), 200, 'tokens have no such rules')
    t.equal(lines.filter(line => /trustProxy trusts every/.test(line)).length, 1)
  }
})

t.test('an app that trusts no proxy uses the address of the connection', async t => {
  const { ask } = await hostApp(t, undefined)

  t.equal(await ask('203.0.113.7'), 'address-not-allowed')
})

t.test('a key in a URL is refused, and no key gets into a log', async t => {
  const { app, lines } = await hostApp(t, undefined)

  for (const url of [
    `/stream?token=${KEY}`,
    `/stream?key=${KEY}`,
    `/things/${KEY}`,
    `/${encodeURIComponent(KEY)}`,
  ]) {
    await app.inject({ url, headers: { 'x-api-key': KEY, 'user-agent': KEY } })
    await app.inject({ url })
  }

  t.match((await app.inject(`/stream?token=${KEY}`)).json(), { status: 400, code: 'key-in-url' })
  t.ok(lines.length > 0)
  t.notMatch(lines.join(''), 'sssss')
})
