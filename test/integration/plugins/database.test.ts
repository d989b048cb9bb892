import Fastify from 'fastify'
import t from 'tap'
import caller from '../../../plugins/caller.js'
import database from '../../../plugins/database.js'
import problems from '../../../plugins/problems.js'
import { createDatabase } from '../../harness/database.js'

t.test('the pool lives as long as the app', async t => {
  const { url } = await createDatabase(t)
  const app = Fastify()
  await app.register(database, { source: { url, pooled: false }, max: 2 })

  const { rows } = await app.database.query('select current_setting($1) as name', ['application_name'])
  await app.close()

  t.strictSame(rows, [{ name: 'sluice' }])
  await t.rejects(app.database.query('select 1'), /after calling end/)
})

t.test('without its database the app starts, and answers 503 to requests that need it', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(caller)
  await app.register(problems)
  await app.register(database, {
    source: { url: 'postgres://sluice:hunter2@127.0.0.1:1/sluice', pooled: false },
    max: 2,
  })
  app.get('/rows', { config: { access: 'public' } }, async () => app.database.query('select 1'))

  const response = await app.inject('/rows')

  t.match({ status: response.statusCode, ...response.json() }, { status: 503, code: 'database-unavailable' })
  t.notMatch(response.body, /127\.0\.0\.1|hunter2/)
})
