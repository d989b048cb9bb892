import { randomUUID } from 'node:crypto'
import t from 'tap'
import { createDatabase } from '../harness/database.js'
import { openStream } from '../harness/event-stream.js'
import { as, publish } from '../harness/gateway.js'
import { startProcess } from '../harness/process.js'
import { until } from '../harness/until.js'

const WORKERS = 2
const CLIENTS = 8

/** Of the list of clients. */
interface Page {
  readonly total: number
  readonly clients: readonly { readonly connection: string; readonly node: string }[]
  readonly nodes: readonly { readonly asked: boolean }[]
  readonly next_cursor: string | null
}

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

  // A worker that is too busy to answer in time is left out.
  let pages: Page[] = []
  await until('both have answered in time', async () => {
    pages = []
    for (let cursor = ''; cursor !== 'null'; cursor = String(pages.at(-1)?.next_cursor))
      pages.push(await ask(`/api/clients?limit=3${cursor && `&cursor=${cursor}`}`))
    return pages.every(({ nodes }) => nodes.every(({ asked }) => asked))
  })
  const clients = pages.flatMap(page => page.clients)
  let explained = await ask(`/api/explain?event=${id}`)
  await until('both have explained in time', async () => {
    explained = await ask(`/api/explain?event=${id}`)
    return explained.processes.length === WORKERS
  })

  t.strictSame([clients.length, pages[0]?.total], [CLIENTS, CLIENTS])
  t.strictSame(clients.map(({ connection }) => connection).sort(), names(streams.map(({ text }) => text())))
  t.match(explained, {
    cause: 'written',
    summary: new RegExp(`Of ${CLIENTS} connections: ${CLIENTS} written`),
  })

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

t.test(
  'a client of one process is ended by another one, and one that no process has is not found',
  async t => {
    const { url: databaseUrl } = await createDatabase(t)
    const [one, two] = [await startProcess(t, { databaseUrl }), await startProcess(t, { databaseUrl })]
    const streams = await Promise.all(
      [1, 2].map(() => openStream(t, `${one.url}/api/events`, { headers: as('viewer') })),
    )
    for (const stream of streams) await stream.until(1)
    const [ended, other] = streams
    const [connection = '', kept = ''] = streams.map(({ text }) => names([text()])[0])
    const end = async (name: string) => {
      const response = await fetch(`${two.url}/api/clients/${name}`, {
        method: 'DELETE',
        headers: as('admin'),
      })
      return { status: response.status, body: Object(await response.json()) }
    }
    await until('the other process knows the node', async () => {
      const response = await fetch(`${two.url}/api/clients`, { headers: as('admin') })
      return Object(await response.json()).nodes.length === 2
    })

    const answer = await end(connection)
    const unknown = await end(randomUUID())

    t.match(answer, { status: 202, body: { connection, node: connection.slice(0, 8) } })
    t.match(unknown, { status: 404, body: { code: 'not-found' } })
    t.ok(await ended?.ended())
    t.match(ended?.messages.at(-1), { event: 'unavailable', data: '{"reason":"by-admin"}' })
    await publish({ url: two.url }, { type: 'thing.made', data: {} })
    await other?.until(1, 'thing.made')
    t.not(kept, connection, 'the other client stays')
  },
)

/** The connections that the streams have named. */
function names(texts: readonly string[]): string[] {
  return texts.map(text => /"connection":"([^"]*)"/.exec(text)?.[1] ?? '').sort()
}
