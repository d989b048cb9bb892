import t from 'tap'
import { guardedApp } from '../harness/guarded-app.js'
import { bearer, token } from '../harness/tokens.js'

t.test('every answer carries its request id and is what its type says', async t => {
  const app = await guardedApp(t)

  for (const url of ['/open', '/things', '/nowhere', '/docs', '/health']) {
    const { headers } = await app.inject({ url, headers: { 'x-request-id': 'r-1' } })
    t.match(headers, { 'x-request-id': 'r-1', 'x-content-type-options': 'nosniff' }, url)
  }
  t.match((await app.inject('/open')).headers['x-request-id'], /^[0-9a-f-]{36}$/)
})

t.test('what needed a token is kept by no cache, unless the route says how', async t => {
  const app = await guardedApp(t)
  app.get('/etag', { config: { access: 'viewer' } }, async (_, reply) => {
    reply.header('cache-control', 'private, no-cache')
    return {}
  })
  const get = async (url: string) =>
    (await app.inject({ url, headers: bearer(token()) })).headers['cache-control']

  t.equal(await get('/things'), 'no-store')
  t.equal(await get('/etag'), 'private, no-cache')
  t.equal(await get('/open'), undefined)
})
