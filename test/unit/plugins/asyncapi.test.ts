import Fastify from 'fastify'
import t from 'tap'
import asyncapi from '../../../plugins/asyncapi.js'
import caller from '../../../plugins/caller.js'

t.test('a route that opens streams and has no channels stops the start', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(caller)
  await app.register(asyncapi, { page: false })

  const add = () =>
    app.get('/measures', { config: { access: 'viewer', stream: () => undefined } }, async () => '')

  t.throws(add, { message: /^\/measures opens streams\. Set config\.channels beside config\.stream/ })
})
