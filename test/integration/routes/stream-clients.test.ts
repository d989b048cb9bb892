/** How many clients a stream has over all nodes, and who they are; for whom, and for whom not. */
import t from 'tap'
import { askForClients } from '../../../src/cluster/client-questions.js'
import type { StreamId } from '../../../src/log/event.js'
import { openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { bearer, token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'
import { create, open } from '../consumers/client.js'

interface Answer {
  readonly stream: string
  readonly clients: number
  readonly who:
    | readonly { readonly principal: string; readonly node: string; readonly since: string }[]
    | null
  readonly next_cursor: string | null
  readonly complete: boolean
}

const ROOM = '/api/stream-clients?stream=rooms/1'

t.test('two nodes', async t => {
  const one = await startGateway(t)
  const two = await startGateway(t, { databaseUrl: one.databaseUrl })
  const [, second] = await publish(one, [made(1), made(2)], { stream: 'rooms/1' })
  await publish(one, made(1))
  const names = ['ada', 'bob', 'cyn', 'dan', 'eve']
  for (const [n, sub] of names.entries()) {
    const gateway = n % 2 === 0 ? one : two
    const path = `${gateway.url}/api/events?stream=rooms/1&from=beginning`
    await (await openStream(t, path, { headers: by(sub) })).until(2, 'thing.made')
  }
  await (await openStream(t, `${one.url}/api/events`, { headers: by('zoe') })).until(1)
  await (await openStream(t, `${one.url}/api/events`, { headers: as('viewer', 'rival') })).until(1)
  await create(two, 'billing', { stream: 'rooms/1' })
  await (await open(t, two, 'billing')).until(1)
  await until('all are counted', async () => (await read(one, ROOM, as('viewer'))).clients === 6)
  await until('by both', async () => (await read(two, ROOM, as('viewer'))).clients === 6)

  t.test('a viewer gets the count over all nodes, and a consumer counts', async t => {
    const counted = { stream: 'rooms/1', clients: 6, who: null, next_cursor: null, complete: true }
    t.strictSame(await read(one, ROOM, as('viewer')), counted)
    t.strictSame(await read(one, `${ROOM}&who=false`), counted)
    t.match(await read(two, '/api/stream-clients', as('viewer')), { stream: 'feed', clients: 1 })
    const handle = await one.app.hub.open('acme', 'rooms/1')
    handle?.stream.followers.add({ forget() {}, restart() {}, onDeleted() {} })
    t.strictSame(await read(one, ROOM, as('viewer')), counted, 'the deliverer of a webhook is no client')
    t.match(await read(two, '/api/stream-clients', as('viewer', 'rival')), { stream: 'feed', clients: 1 })
  })

  t.test('an editor gets the clients of all nodes, on any of them, page by page', async t => {
    for (const gateway of [one, two]) {
      const pages: Answer[] = []
      for (let cursor: string | null = ''; cursor !== null; cursor = pages.at(-1)?.next_cursor ?? null)
        pages.push(await read(gateway, `${ROOM}&limit=4${cursor && `&cursor=${cursor}`}`))
      const who = pages.flatMap(page => page.who ?? [])

      t.strictSame(
        pages.map(page => [page.who?.length, page.clients, page.complete]),
        [
          [4, 6, true],
          [2, 6, true],
        ],
      )
      t.strictSame(who.map(({ principal }) => principal).sort(), [...names, 'editor-of-acme'].sort())
      t.equal(new Set(who.map(({ node }) => node)).size, 2)
      t.match(
        who.find(({ principal }) => principal === 'ada'),
        { cursor: second, lag_events: 0, since: /^20\d\d-.*Z$/ },
      )
      t.notMatch(JSON.stringify(pages), /connection|address|token/)
    }
    t.match(await read(one, '/api/stream-clients', as('admin', 'rival')), {
      who: [{ principal: 'viewer-of-rival' }],
    })
  })

  t.test(
    'a stream that is not there, one of another workspace and one that is not granted are the same',
    async t => {
      await publish(one, made(1), { stream: 'rooms/9', workspace: 'rival' })
      const limited = bearer(
        token({ role: 'editor', sub: 'max', workspace: 'acme', sluice: { subscribe: ['halls/*'] } }),
      )
      const refusals = await Promise.all([
        ask(one, '/api/stream-clients?stream=rooms/8', as('editor')),
        ask(one, '/api/stream-clients?stream=rooms/9', as('editor')),
        ask(one, ROOM, limited),
        ask(one, '/api/stream-clients?stream=rooms/8', limited),
        ask(one, '/api/stream-clients', limited),
      ])
      const bodies = await Promise.all(refusals.map(refusal => refusal.json()))

      t.strictSame(
        refusals.map(({ status }) => status),
        [404, 404, 404, 404, 404],
      )
      t.equal(
        new Set(bodies.map(body => JSON.stringify({ ...Object(body), instance: 0, request_id: 0 }))).size,
        1,
      )
      t.equal((await ask(one, `${ROOM}&cursor=x`, as('editor'))).status, 400)
      t.equal((await ask(one, ROOM, as('runner'))).status, 403)
    },
  )

  t.test('a node that does not answer, and one that cannot report all, are named as missing', async t => {
    const { database, cluster } = one.app
    const { rows } = await database.query<{ id: StreamId }>(
      `select id from sluice.streams where name = 'rooms/1'`,
    )
    const stream = rows[0]?.id as StreamId
    const silent = (leftOut: number) =>
      database.query(
        `with silent as (
           insert into sluice.nodes (id, name, version, mode, started_at, heartbeat_at, lag_ms, clients, clients_by_kind, streams_left_out)
           values (gen_random_uuid(), 'silent', '', 'normal', now(), now() + interval '1 hour', 0, 1, '{}', $2) returning id)
         insert into sluice.node_streams select $1, id, 1 from silent`,
        [stream, leftOut],
      )

    await silent(0)
    const listed = await askForClients(database, { stream, after: '' }, cluster.id, 0)
    t.match(listed, { isComplete: false })
    t.match(await read(one, ROOM, as('viewer')), { clients: 7, complete: true })
    await silent(1)
    t.match(await read(one, ROOM, as('viewer')), { clients: 8, complete: false })
  })
})

t.test('a workspace cannot ask the nodes for more than 20 pages at a time', async t => {
  const { app } = await startGateway(t)
  const { database } = app
  const { rows } = await database.query<{ id: StreamId }>(
    `select sluice.ensure_stream('acme', 'rooms/1') as id`,
  )
  const stream = rows[0]?.id as StreamId
  await database.query(
    `with other as (
       insert into sluice.nodes (id, name, version, mode, started_at, heartbeat_at, lag_ms, clients, clients_by_kind)
       values ('ffffffff-0000-4000-8000-000000000000', 'other', '', 'normal', now(), now() + interval '1 hour', 0, 1, '{}') returning id)
     insert into sluice.node_streams select $1, id, 1 from other`,
    [stream],
  )

  for (let n = 1; n <= 25; n += 1)
    await askForClients(database, { stream, after: `00000000.${n}` }, app.cluster.id, 0)

  t.equal((await database.query('select from sluice.client_questions')).rowCount, 20)
})

function by(sub: string, role = 'viewer') {
  return bearer(token({ role, sub, workspace: 'acme' }))
}

function made(n: number) {
  return { type: 'thing.made', data: { n } }
}

function ask(
  { url }: Pick<Gateway, 'url'>,
  path: string,
  headers: Record<string, string>,
): Promise<Response> {
  return fetch(url + path, { headers })
}

async function read(
  gateway: Pick<Gateway, 'url'>,
  path: string,
  headers: Record<string, string> = as('editor'),
) {
  const answer = await ask(gateway, path, headers)
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  return (await answer.json()) as Answer
}
