import type { Server } from 'node:net'
import t from 'tap'
import { as, startGateway } from '../../harness/gateway.js'
import { connectRaw, get } from '../../harness/raw-client.js'
import { until } from '../../harness/until.js'

t.test('a closing gateway does not wait for silent connections or for half requests', async t => {
  const { app, close } = await startGateway(t)
  const { authorization } = as('editor')
  const headers = `Authorization: ${authorization}\nContent-Type: application/json\nContent-Length: 100\n`
  const kept = await connectRaw(t, app.server, get('/health'))
  await kept.untilBody('ok')
  const silent = await connectRaw(t, app.server, '')
  const halfHead = await connectRaw(t, app.server, 'GET /health HTTP/1.1\nHost: local')
  const halfBody = await connectRaw(
    t,
    app.server,
    `POST /api/events HTTP/1.1\nHost: localhost\n${headers}\n{`,
  )
  await until('all of them are accepted', () => connectionsOf(app.server).then(count => count === 4))

  await close()

  for (const client of [kept, silent, halfHead, halfBody]) await client.over
})

async function connectionsOf(server: Server): Promise<number> {
  return await new Promise(resolve => server.getConnections((_error, count) => resolve(count)))
}
