import t from 'tap'
import { createDatabase } from '../harness/database.js'
import { openStream } from '../harness/event-stream.js'
import { as, publish } from '../harness/gateway.js'
import { startProcess } from '../harness/process.js'
import { until } from '../harness/until.js'

const WORKERS = 2
const CLIENTS = 8

t.test('whichever worker answers knows, explains and ends the clients of all workers', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const { url } = await startProcess(t, { databaseUrl, env: { WORKERS: `${WORKERS}` } })
  const ask = async (path: string, method = 'GET') =>
    Object(await (await fetch(`${url}${path}`, { method, headers: as('admin') })).json())
  await until('all workers', async () => (await ask('/ready')).workers === WORKERS)
  const streams = await Promise.all(
    Array.from({ length: CLIENTS }, () => openStream(t, `${url}/api/events`, { headers: as('viewer') })),
  )
  for (const stream of streams) await stream.until(1)
  const [id] = await publish({ url }, { type: 'thing.made', data: {} })
  for (const stream of streams) await stream.until(1, 'thing.made')
  await until('the rows of both', async () => (await ask('/api/clients')).nodes.length === WORKERS)

  const pages = []
  for (let cursor = ''; cursor !== 'null'; cursor = String(pages.at(-1)?.next_cursor))
    pages.push(await ask(`/api/clients?limit=3${cursor && `&cursor=${cursor}`}`))
  const clients = pages.flatMap(page => page.clients)
  const explained = await ask(`/api/explain?event=${id}`)

  t.strictSame([clients.length, pages[0]?.total], [CLIENTS, CLIENTS])
  t.strictSame(clients.map(({ connection }) => connection).sort(), names(streams.map(({ text }) => text())))
  t.ok(pages[0]?.nodes.every((node: { asked: boolean }) => node.asked))
  t.match(explained, {
    cause: 'written',
    summary: new RegExp(`Of ${CLIENTS} connections: ${CLIENTS} written`),
  })
  t.equal(explained.processes.length, WORKERS)

  for (const { connection, node } of clients) {
    t.match(await ask(`/api/clients/${connection}`, 'DELETE'), { connection, node })
  }
  for (const stream of streams) {
    t.ok(await stream.ended())
    t.match(stream.messages.at(-1), { event: 'unavailable', data: '{"reason":"by-admin"}', id })
  }
  await until('all have closed', async () => (await ask('/api/clients/closed')).total === CLIENTS)
  t.match(await ask('/api/clients'), { total: 0 })
})

/** The connections that the streams have named. */
function names(texts: readonly string[]): string[] {
  return texts.map(text => /"connection":"([^"]*)"/.exec(text)?.[1] ?? '').sort()
}
