/** The clients of all processes together, as an operator and as callers see them, when processes stop and die. */
import pg from 'pg'
import t from 'tap'
import { createDatabase } from '../harness/database.js'
import { openStream } from '../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../harness/gateway.js'
import { startProcess } from '../harness/process.js'
import { bearer, token } from '../harness/tokens.js'
import { until } from '../harness/until.js'

/** A row without a heartbeat counts for 10 s, and its principals for 15 s more. */
const GONE_MS = 30_000
/** After a heartbeat that has found it alone, a process sends no NOTIFY for 4 s. */
const FRESH_MS = 500
const SILENT_MS = 3_000

t.test(
  'the counts of the cluster include every process, and no longer one that was killed or has stopped',
  async t => {
    const { url: databaseUrl } = await createDatabase(t)
    const [killed, stopped] = [await startProcess(t, { databaseUrl }), await startProcess(t, { databaseUrl })]
    const here = await startGateway(t, { databaseUrl })
    const execution = await post(here, '/api/executions', { title: 'Release' })
    const id = String(execution.executionId)
    const paths = ['/api/events', `/api/executions/${id}/events`]
    for (const { url } of [killed, stopped, here]) {
      for (const path of paths) await (await openStream(t, url + path, { headers: as('viewer') })).until(1)
    }

    await until('all are counted', async () => same(await counts(here, id), [3, 6, 3, '3']))
    await until('by the others too', async () => same(await counts(stopped, id), [3, 6, 3, '3']))

    await stopped.stop()
    await until('one has stopped', async () => same(await counts(here, id), [2, 4, 2, '2']))
    await killed.kill()
    await until('one was killed', async () => same(await counts(here, id), [1, 2, 1, '1']), GONE_MS)

    t.match(await readyOf(here), { sse: { clients: 2, by_kind: { feed: 1, job: 1 } } })
  },
)

t.test(
  'NOTIFY goes out only while another process is there, and one that starts misses no event',
  async t => {
    const { url: databaseUrl } = await createDatabase(t)
    const one = await startGateway(t, { databaseUrl })
    const listener = new pg.Client(databaseUrl)
    t.teardown(() => listener.end())
    let wakes = 0
    listener.on('notification', ({ payload = '' }) => {
      if (/:\d/.test(payload)) wakes += 1
    })
    await listener.connect()
    await listener.query('listen sluice_wake')
    const heard = async () => {
      await listener.query('select')
      return wakes
    }
    const ids: string[] = []
    const { cluster } = one.app
    const isSurelyAlone = () => cluster.isAlone && (cluster.figures()?.ageMs ?? SILENT_MS) < FRESH_MS
    // A machine that stands still delays the heartbeats too, and then a NOTIFY is right.
    let [before, unheard] = [0, 0]
    await until('two events are published while it is surely alone', async () => {
      before = await heard()
      if (process.env.BUS_NOTIFY !== 'off' && !isSurelyAlone()) return false
      const since = performance.now()
      ids.push(await publishOne(one), await publishOne(one))
      unheard = await heard()
      return performance.now() - since < SILENT_MS
    })
    t.equal(unheard, before)

    // It publishes all the time while the other process starts, joins, and follows.
    let stop = false
    const publishing = (async () => {
      while (!stop) ids.push(await publishOne(one))
    })()
    const two = await startProcess(t, { databaseUrl })
    const clients = await Promise.all(
      [one, two].map(({ url }) =>
        openStream(t, `${url}/api/events?from=beginning`, { headers: as('viewer') }),
      ),
    )
    if (process.env.BUS_NOTIFY !== 'off') await until('it notifies', async () => (await heard()) > unheard)
    stop = true
    await publishing

    for (const client of clients) {
      await client.until(messages => messages.at(-1)?.id === ids.at(-1))
      t.strictSame(
        client.messages.flatMap(({ event, id }) => (event === 'thing.made' ? [id] : [])),
        ids,
      )
    }
  },
)

t.test('clients of a killed gateway leave its stream, unless they reconnect', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const killed = await startProcess(t, { databaseUrl })
  const here = await startGateway(t, { databaseUrl })
  await configure(here, 'rooms/1', { presence: true })
  const follow = (gateway: Pick<Gateway, 'url'>, path: string, sub: string) =>
    openStream(t, `${gateway.url}/api/events?stream=${path}`, {
      patienceMs: GONE_MS,
      headers: bearer(token({ role: 'viewer', sub, workspace: 'acme' })),
    })
  const presence = await follow(here, 'presence:rooms/1', 'watcher')
  await (await follow(killed, 'rooms/1', 'ada')).until(1)
  await (await follow(killed, 'rooms/1', 'bob')).until(1)
  await presence.until(2, 'presence.joined')
  const nodes = async () => (await get(here, '/api/cluster')).nodes as { name: string }[]
  let listed: Record<string, unknown> = {}
  await until('the other process has answered', async () => {
    listed = await get(here, '/api/stream-clients?stream=rooms/1')
    return listed.complete === true
  })
  t.match(listed, { clients: 2, who: [{ principal: 'ada' }, { principal: 'bob' }] })
  t.equal((await nodes()).length, 2)

  await killed.kill()
  const killedAt = performance.now()
  await (await follow(here, 'rooms/1', 'bob')).until(1)
  await until('the row of the killed one is gone', async () => (await nodes()).length === 1, GONE_MS)
  t.comment(`gone after ${Math.round(performance.now() - killedAt)} ms`)
  await until('only one client is there', async () => {
    const { clients } = await get(here, '/api/stream-clients?stream=rooms/1')
    return clients === 1
  })
  await presence.until(1, 'presence.left')
  t.comment(`left after ${Math.round(performance.now() - killedAt)} ms`)
  await (await follow(here, 'rooms/1', 'cyn')).until(1)
  await presence.until(3, 'presence.joined')

  t.strictSame(
    presence.messages.flatMap(({ event = '', data }) =>
      event.startsWith('presence.') ? [`${event} ${JSON.parse(data).principal}`] : [],
    ),
    ['presence.joined ada', 'presence.joined bob', 'presence.left ada', 'presence.joined cyn'],
  )
  const latest = await get(
    here,
    '/api/latest?stream=presence:rooms/1&key=data.principal&deleted=presence.left',
  )
  t.match(latest.events, [{ data: { principal: 'bob' } }, { data: { principal: 'cyn', clients: 2 } }])
})

t.test('a job of another workspace has no count', async t => {
  const here = await startGateway(t)
  const { executionId } = await post(here, '/api/executions', { title: 'Release' })

  for (const path of [`/api/executions/${executionId}`, `/api/jobs/${executionId}`]) {
    const response = await fetch(here.url + path, { headers: as('admin', 'rival') })
    t.equal(response.status, 404)
    t.equal(response.headers.get('x-sluice-clients'), null)
    t.notMatch(await response.text(), /clients/)
  }
})

async function publishOne(gateway: Gateway): Promise<string> {
  const [id = ''] = await publish(gateway, { type: 'thing.made', data: {} })
  return id
}

type Counts = [nodes: number | undefined, clients: number | undefined, execution: number, job: string | null]

async function counts(gateway: Pick<Gateway, 'url'>, id: string): Promise<Counts> {
  const headers = as('viewer')
  const { cluster } = await readyOf(gateway)
  const execution = await fetch(`${gateway.url}/api/executions/${id}`, { headers })
  const { clients } = (await execution.json()) as { clients: number }
  const job = await fetch(`${gateway.url}/api/jobs/${id}`, { headers })
  return [cluster?.nodes, cluster?.clients, clients, job.headers.get('x-sluice-clients')]
}

async function readyOf({ url }: Pick<Gateway, 'url'>) {
  const response = await fetch(`${url}/ready`)
  return (await response.json()) as { cluster: { nodes: number; clients: number } | null }
}

async function configure({ url }: Gateway, stream: string, options: object): Promise<void> {
  const headers = { ...as('admin'), 'content-type': 'application/json' }
  const path = `${url}/api/streams/${encodeURIComponent(stream)}`
  // An admin configures a stream that exists.
  await publish({ url }, { type: 'thing.made', data: {} }, { stream })
  const answer = await fetch(path, { method: 'PATCH', headers, body: JSON.stringify(options) })
  if (!answer.ok) throw new Error(await answer.text())
}

async function get({ url }: Gateway, path: string): Promise<Record<string, unknown>> {
  const answer = await fetch(url + path, { headers: as('admin') })
  if (!answer.ok) throw new Error(await answer.text())
  return (await answer.json()) as Record<string, unknown>
}

async function post({ url }: Gateway, path: string, body: object) {
  const headers = { ...as('editor'), 'content-type': 'application/json' }
  const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) })
  return (await response.json()) as Record<string, unknown>
}

function same(found: Counts, expected: Counts): boolean {
  return found.every((value, index) => value === expected[index])
}
