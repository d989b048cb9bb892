/** Who may delete a stream in the form of Durable Streams. */
import t from 'tap'
import { publish, startGateway } from '../../harness/gateway.js'
import { ask } from './dialect.js'

t.test('an editor deletes what the protocol made, and only an admin other streams', async t => {
  const gateway = await startGateway(t)
  const status = async (...asked: [method: string, path: string, role?: 'admin']) =>
    (await ask(gateway, asked[0], asked[1], asked[2] && { role: asked[2] })).status
  await publish(gateway, { type: 'order.placed', data: {} }, { stream: 'orders/7' })
  await ask(gateway, 'PUT', 'chat/7')

  const refused = await ask(gateway, 'DELETE', 'orders/7')

  t.equal(refused.status, 403)
  t.match(await refused.json(), { code: 'role-too-low', detail: /role admin; you have the role editor/ })
  t.equal(await status('GET', 'orders/7'), 200)
  t.equal(await status('DELETE', 'chat/7'), 204)
  t.equal(await status('GET', 'chat/7'), 404)
  t.equal(await status('DELETE', 'chat/7'), 404)
  t.equal(await status('DELETE', 'orders/7', 'admin'), 204)
  t.equal(await status('GET', 'orders/7'), 404)
})

t.test('nobody deletes a stream that belongs to a part of Sluice', async t => {
  const gateway = await startGateway(t)
  await publish(gateway, { type: 'order.placed', data: {} })
  await gateway.app.database.query(
    `insert into sluice.streams (workspace, name, kind) values ('acme', 'owned/1', 'job')`,
  )

  for (const name of ['feed', 'job:4f2e', 'presence:room', 'owned/1']) {
    const response = await ask(gateway, 'DELETE', name, { role: 'admin' })

    t.equal(response.status, 405, name)
    t.equal(response.headers.get('allow'), 'GET, HEAD')
    t.match(await response.json(), { detail: /can only be read/ })
  }
})
