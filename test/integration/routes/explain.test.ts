/** What becomes of events, on real streams: each cause has its rule in test/unit/explain/, on facts. */
import t, { type Test } from 'tap'
import { createPool } from '../../../src/database/pool.js'
import { compactionSweep } from '../../../src/log/compaction.js'
import { openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { bearer, token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

interface Explanation {
  readonly cause: string
  readonly summary: string
  readonly event: Record<string, unknown>
  readonly clients: Record<string, unknown>[]
  readonly refused: Record<string, unknown>[]
  readonly unknown: string[]
}

t.test('one event, and why each client has it or not', async t => {
  const gateway = await startGateway(t)
  const pool = createPool(gateway.databaseUrl, { max: 1, name: 'test', onError: () => undefined })
  t.teardown(() => pool.end())
  const limited = bearer(
    token({ sub: 'grace', role: 'viewer', sluice: { subscribe: ['*'], types: ['door.*'] } }),
  )
  await publish(gateway, made(0), { stream: 'rooms/1' })
  const live = await follow(t, gateway, '')
  const gone = await follow(t, gateway, '', caller('gone'))
  const opened = {
    types: await follow(t, gateway, 'types=door.*', caller('types')),
    where: await follow(t, gateway, 'where=data.n eq 9', caller('where')),
    grants: await follow(t, gateway, '', limited),
    elsewhere: await follow(t, gateway, 'stream=rooms/1', caller('elsewhere')),
    alsoElsewhere: await follow(t, gateway, 'stream=rooms/1', caller('types')),
  }
  for (const stream of [live, gone, ...Object.values(opened)]) await stream.until(1)
  gone.close()
  await until('it has gone', async () => (await total(gateway, '/api/clients/closed')) === 1)
  const [id = ''] = await publish(gateway, made(1))
  await live.until(1, 'thing.made')
  const late = await follow(t, gateway, '', caller('late'))
  await late.until(1)
  const causeOf = async (principal: string) => (await explain(gateway, id, `principal=${principal}`)).cause

  const found = await explain(gateway, id, `client=${await live.connection()}`)

  t.match(found, {
    cause: 'written',
    event: {
      id,
      status: 'stored',
      type: 'thing.made',
      actor: 'editor-of-acme',
      way: 'http',
      read_at: String,
    },
    clients: [{ principal: 'viewer-of-acme', entitled: true, closed_at: null }],
  })
  const [{ written_after, written_before } = {}] = found.clients
  t.equal(written_after, written_before)
  t.equal(written_after, found.event.read_at)
  // Null unless Postgres records it.
  const { rows } = await pool.query<{ at: Date | null }>(
    `select sluice.committed_at(stream_id, "position") as at from sluice.events where type = 'thing.made' and data->>'n' = '1'`,
  )
  t.equal(found.event.committed_at, rows[0]?.at?.toISOString() ?? null)
  t.strictSame(
    {
      gone: await causeOf('gone'),
      types: await causeOf('types'),
      where: await causeOf('where'),
      grace: await causeOf('grace'),
      elsewhere: await causeOf('elsewhere'),
      late: await causeOf('late'),
      nobody: await causeOf('nobody'),
    },
    {
      gone: 'disconnected',
      types: 'filtered-by-type',
      where: 'filtered-by-where',
      grace: 'not-granted',
      elsewhere: 'other-stream',
      late: 'started-after',
      nobody: 'not-connected',
    },
  )
  const { clients } = await explain(gateway, id, 'principal=types')
  const streams = clients.map(({ stream }) => stream)
  t.strictSame(streams, ['feed'], 'a client of another stream matters only without one of this stream')
  const all = await explain(gateway, id)
  t.equal(all.clients.length, 6, 'those of other streams are left out')
  t.match(all.summary, /Of 6 connections: /)
})

t.test('an event of another workspace is as one that never existed', async t => {
  const gateway = await startGateway(t)
  const [id = ''] = await publish(gateway, [made(1), made(2)])
  await publish(gateway, made(1), { workspace: 'rival' })
  const stream = await follow(t, gateway, '', as('viewer', 'rival'))
  await stream.until(1)
  const client = `client=${await stream.connection()}`

  const foreign = await explain(gateway, id, client, as('admin', 'rival'))
  const beyond = await explain(gateway, '2.aaaaaa', '', as('admin', 'rival'))
  const invented = await explain(gateway, '7.aaaaaa', client)

  t.match([foreign, beyond, invented], Array(3).fill({ cause: 'never-existed', clients: [], refused: [] }))
  const own = await explain(gateway, id, client)
  t.match(own, { cause: 'not-connected', clients: [] }, 'a connection of another workspace is not known')
})

t.test('events that were removed, compacted or redacted', async t => {
  const gateway = await startGateway(t)
  const pool = createPool(gateway.databaseUrl, { max: 1, name: 'test', onError: () => undefined })
  t.teardown(() => pool.end())
  const stream = 'rooms/1'
  const [removed = '', compacted = '', redacted = ''] = await publish(gateway, [made(1), made(2), made(3)], {
    stream,
  })
  const live = await follow(t, gateway, `stream=${stream}&from=beginning`)
  await live.until(3, 'thing.made')
  const configure = (options: object) =>
    pool.query(`select sluice.configure_stream('acme', $1, $2)`, [stream, JSON.stringify(options)])

  await fetch(`${gateway.url}/api/events/${redacted}/redact?stream=${stream}`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: '{"reason":"test"}',
  })
  await publish(gateway, [{ type: 'thing.made', data: { n: 2 } }], { stream })
  await configure({ compact_key: 'data.n', compact_after_seconds: 0 })
  await pool.query(`update sluice.compactions set checked_at = '-infinity'`)
  await compactionSweep(pool).run(new AbortController().signal)
  await pool.query(`select sluice.retain_stream(id, '-1 day', 1) from sluice.streams where name = $1`, [
    stream,
  ])

  const at = (id: string) => explain(gateway, id, `stream=${stream}&client=${connection}`)
  const connection = await live.connection()
  t.match(await at(removed), { cause: 'removed', event: { status: 'removed', type: null } })
  t.match(await at(compacted), { event: { status: 'compacted', type: null } })
  t.match(await at(redacted), {
    cause: 'written-redacted',
    event: { status: 'redacted', redacted_at: String },
  })
})

t.test('a client that does not read, and one that an admin has ended', async t => {
  const gateway = await startGateway(t)
  const slow = await follow(t, gateway, '')
  const ended = await follow(t, gateway, '', caller('ended'))
  for (const stream of [slow, ended]) await stream.until(1)
  await fetch(`${gateway.url}/api/clients/${await ended.connection()}`, {
    method: 'DELETE',
    headers: as('admin'),
  })
  slow.response.pause()
  const large = { type: 'thing.made', data: { text: 'x'.repeat(200_000) } }

  let id = ''
  await until('it is full', async () => {
    id = (await publish(gateway, [large, large, large])).at(-1) ?? ''
    return (await explain(gateway, id, 'principal=viewer-of-acme')).cause === 'backpressure'
  })

  t.match(await explain(gateway, id, 'principal=ended'), {
    cause: 'closed',
    clients: [{ close_reason: 'by-admin', entitled: true }],
  })
})

t.test('a client that got no stream, and one of another node', async t => {
  const one = await startGateway(t)
  const two = await startGateway(t, { databaseUrl: one.databaseUrl })
  const stream = await follow(t, one, '')
  const connection = await stream.connection()
  const [id = ''] = await publish(one, made(1))
  const limited = bearer(token({ sub: 'grace', role: 'viewer', sluice: { subscribe: ['rooms/*'] } }))
  await fetch(`${one.url}/api/events`, { headers: { ...limited, accept: 'text/event-stream' } })
  await until('they know each other', async () => {
    const { nodes } = (await (await fetch(`${two.url}/api/clients`, { headers: as('admin') })).json()) as {
      nodes: unknown[]
    }
    return nodes.length === 2
  })

  t.match(await explain(one, id, 'principal=grace'), {
    cause: 'refused',
    refused: [{ principal: 'grace', reason: 'not-granted', connection: null }],
  })
  t.match(await explain(two, id, `client=${connection}`), {
    cause: 'other-node',
    summary: new RegExp(connection.slice(0, 8)),
  })
  await one.close()
  await until(
    'its row is gone',
    async () => (await explain(two, id, `client=${connection}`)).cause === 'restarted',
  )
})

t.test('a malformed id is refused, and only an admin may ask', async t => {
  const gateway = await startGateway(t)
  const status = async (query: string, headers = as('admin')) =>
    (await fetch(`${gateway.url}/api/explain?${query}`, { headers })).status

  t.strictSame(
    [
      await status('event=x'),
      await status('event=1.aaaaaa&client=x'),
      await status(''),
      await status('event=1.aaaaaa', as('editor')),
      await status('event=1.aaaaaa'),
    ],
    [400, 400, 400, 403, 200],
  )
})

function made(n: number) {
  return { type: 'thing.made', data: { n } }
}

function caller(sub: string) {
  return bearer(token({ sub, role: 'viewer', workspace: 'acme' }))
}

async function follow(t: Test, { url }: Pick<Gateway, 'url'>, query: string, headers = as('viewer')) {
  const stream = await openStream(t, `${url}/api/events?${encodeURI(query)}`, { headers })
  const connection = async () => {
    const [{ data } = { data: '{}' }] = await stream.until(1, 'server.state')
    return String(Object(JSON.parse(data)).connection)
  }
  return { ...stream, connection }
}

async function total({ url }: Pick<Gateway, 'url'>, path: string): Promise<number> {
  const answer = await fetch(`${url}${path}`, { headers: as('admin') })
  return Number(Object(await answer.json()).total)
}

async function explain({ url }: Pick<Gateway, 'url'>, id: string, query = '', headers = as('admin')) {
  const answer = await fetch(`${url}/api/explain?event=${id}&${query}`, { headers })
  if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`)
  return (await answer.json()) as Explanation
}
