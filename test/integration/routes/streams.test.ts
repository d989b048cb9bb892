import t, { type Test } from 'tap'
import { createPool } from '../../../src/database/pool.js'
import { eventSweep } from '../../../src/log/retention.js'
import { openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'

const ODD = 'orders/7:eu.x'

t.test('an admin lists the streams by name, a page at a time, and reads one', async t => {
  const gateway = await startGateway(t)
  for (const stream of ['b', ODD, 'a'] as const)
    await publish(gateway, thing(3), { stream: encodeURIComponent(stream) })
  await publish(gateway, thing(1), { workspace: 'globex', stream: 'secret' })
  const live = await openStream(t, `${gateway.url}/api/events?stream=a`, { headers: as('viewer') })
  await live.until(1)

  const first = await call(gateway, 'GET', '/api/streams?limit=2')
  const second = await call(gateway, 'GET', `/api/streams?limit=2&cursor=${first.body.next_cursor}`)
  const some = await call(gateway, 'GET', '/api/streams?prefix=orders/')
  const early = await call(gateway, 'GET', '/api/streams?prefix=a')
  const one = await call(gateway, 'GET', pathOf(ODD))

  t.strictSame(names(first), ['a', 'b'])
  t.strictSame(names(second), [ODD])
  t.equal(second.body.next_cursor, null)
  t.strictSame(names(some), [ODD])
  t.strictSame(names(early), ['a'], 'and none that sorts after the prefix')
  t.match(first.body.streams[0], { events: 3, clients_here: 1, closed_at: null, kind: 'feed' })
  t.match(one.body, { name: ODD, events: 3, bytes_estimate: 3 * bytesOf(thing(3)[0]?.data), clients_here: 0 })
  t.match(one.body.head, { id: /^3\.[a-z2-7]{6}$/, at: /Z$/ })
  t.match(one.body.base, { id: /^0\.[a-z2-7]{6}$/, at: null })
  t.match(await call(gateway, 'GET', pathOf('secret')), { status: 404, body: { code: 'not-found' } })
})

t.test('a closed stream takes no event, its followers get the end, and a reconnect gets 204', async t => {
  const gateway = await startGateway(t)
  const other = await startGateway(t, { databaseUrl: gateway.databaseUrl })
  const [id = ''] = await publish(gateway, thing(1), { stream: 'room' })
  const url = '/api/events?stream=room&from=beginning'
  const follow = (at: Gateway, query = '') =>
    openStream(t, `${at.url}${url}${query}`, { headers: as('viewer') })
  const [here, there, filtered] = [
    await follow(gateway),
    await follow(other),
    await follow(other, '&types=none'),
  ]
  for (const stream of [here, there]) await stream.until(1, 'thing.made')
  await filtered.until(1)

  const closed = await call(gateway, 'POST', '/api/streams/room/close')
  const again = await call(gateway, 'POST', '/api/streams/room/close')

  t.match(closed, { status: 200, body: { closed_at: /Z$/, head: { id } } })
  t.equal(again.body.closed_at, closed.body.closed_at)
  t.strictSame(await Promise.all([here, there, filtered].map(stream => stream.ended())), [true, true, true])
  t.equal(filtered.messages.at(-1)?.id, id, 'a client whose filter hid the last event gets its place')
  const reconnect = await fetch(`${gateway.url}${url}`, { headers: { ...as('viewer'), 'last-event-id': id } })
  t.equal(reconnect.status, 204)
  await t.rejects(publish(gateway, thing(1), { stream: 'room' }), /stream-closed/)
})

t.test('a client that catches up on a closed stream gets all of it before the end', async t => {
  const gateway = await startGateway(t)
  await publish(gateway, thing(900), { stream: 'room' })
  await call(gateway, 'POST', '/api/streams/room/close')

  const late = await openStream(t, `${gateway.url}/api/events?stream=room&from=beginning`, {
    headers: as('viewer'),
  })

  t.ok(await late.ended())
  t.equal(late.messages.filter(({ event }) => event === 'thing.made').length, 900)
})

t.test('the end of a job ends its stream, for a client that is there and for a late one', async t => {
  const gateway = await startGateway(t)
  const job = await call(gateway, 'POST', '/api/jobs', { kind: 'build' })
  const path = `${gateway.url}/api/events?stream=job:${job.body.id}&from=beginning`
  const follow = () => openStream(t, path, { headers: as('viewer') })
  const early = await follow()
  await early.until(1, 'job.created')

  await call(gateway, 'POST', `/api/jobs/${job.body.id}/cancel`)

  const late = await follow()
  t.strictSame(await Promise.all([early.ended(), late.ended()]), [true, true])
  for (const { messages } of [early, late])
    t.strictSame(
      messages.map(({ event }) => event).filter(event => event?.startsWith('job.')),
      ['job.created', 'job.cancelled'],
    )
})

t.test('a deleted stream is 404, its followers get a reset, and its name begins another history', async t => {
  const gateway = await startGateway(t)
  const other = await startGateway(t, { databaseUrl: gateway.databaseUrl })
  const [first = ''] = await publish(gateway, thing(1), { stream: ODD })
  const url = `/api/events?stream=${encodeURIComponent(ODD)}`
  const streams = [gateway, other].map(at =>
    openStream(t, `${at.url}${url}&from=beginning`, { headers: as('viewer') }),
  )
  const [here, there] = await Promise.all(streams)
  for (const stream of [here, there]) await stream?.until(1, 'thing.made')
  const poll = fetch(`${other.url}${url}&after=${first}&wait=30s`, {
    headers: { ...as('viewer'), accept: 'application/json' },
  })

  const deleted = await call(gateway, 'DELETE', pathOf(ODD))
  const read = await call(gateway, 'GET', pathOf(ODD))

  t.equal(deleted.status, 204)
  const { rowCount } = await gateway.app.database.query(
    'select from sluice.events e where not exists (select from sluice.streams s where s.id = e.stream_id)',
  )
  t.equal(rowCount, 0, 'its events are gone at once')
  t.match(read, { status: 404, body: { code: 'not-found' } })
  const page = await fetch(`${gateway.url}${url}`, { headers: as('viewer') })
  t.equal(page.status, 404)
  for (const stream of [here, there]) {
    t.ok(await stream?.ended())
    const last = stream?.messages.at(-1)
    t.match(last, { event: 'reset', id: '0', data: '{"reason":"deleted","earliest":"0","head":"0"}' })
  }
  t.equal((await poll).status, 404, 'a long poll ends too')

  const [anew = ''] = await publish(other, thing(1), { stream: ODD })
  const resumed = await openStream(t, `${gateway.url}${url}`, {
    headers: { ...as('viewer'), 'last-event-id': '0' },
  })
  t.not(anew, first)
  t.equal((await resumed.until(1, 'thing.made'))[0]?.id, anew)
  const stale = await openStream(t, `${gateway.url}${url}`, {
    headers: { ...as('viewer'), 'last-event-id': first },
  })
  t.match(await stale.until(1, 'reset'), [{ data: /history-lost/ }])
})

t.test('the streams of jobs, and the feed, are neither closed nor deleted', async t => {
  const gateway = await startGateway(t)
  const headers = { ...as('editor'), 'content-type': 'application/json' }
  await fetch(`${gateway.url}/api/jobs`, { method: 'POST', headers, body: '{"id":"j1","kind":"build"}' })

  for (const name of ['feed', 'job:j1']) {
    for (const [method, path] of [
      ['POST', `${pathOf(name)}/close`],
      ['DELETE', pathOf(name)],
    ] as const) {
      const refused = await call(gateway, method, path)
      t.match(refused, { status: 409, body: { code: 'stream-owned' } }, `${method} ${name}`)
    }
  }
  t.match(await call(gateway, 'PATCH', pathOf('job:j1'), { max_events: 1 }), { status: 409 })
  t.equal((await call(gateway, 'GET', pathOf('job:j1'))).body.kind, 'job')
})

t.test('each change is in the audit log', async t => {
  const gateway = await startGateway(t)
  await publish(gateway, thing(2), { stream: 'room' })

  await call(gateway, 'PATCH', pathOf('room'), { max_events: 5 })
  await call(gateway, 'PATCH', '/api/workspace', { max_age_seconds: 60 })
  await call(gateway, 'POST', '/api/streams/room/close')
  await call(gateway, 'DELETE', pathOf('room'))

  const { entries } = (await call(gateway, 'GET', '/api/audit')).body
  t.match(entries.reverse(), [
    { action: 'stream.configured', principal: 'admin-of-acme', details: { stream: 'room', max_events: 5 } },
    { action: 'workspace.configured', details: { max_age_seconds: 60 } },
    { action: 'stream.closed', details: { stream: 'room', head: /^2\./ } },
    { action: 'stream.deleted', details: { stream: 'room', events: 2, head: /^2\./ } },
  ])
})

t.test(
  'options of a stream decide before those of the workspace, and both before the days of the process',
  async t => {
    const gateway = await startGateway(t)
    for (const stream of ['short', 'few', 'plain']) await publish(gateway, thing(5), { stream })
    await call(gateway, 'PATCH', '/api/workspace', { max_events: 2, max_age_seconds: null })
    await call(gateway, 'PATCH', pathOf('few'), { max_events: 4 })
    const set = await call(gateway, 'PATCH', pathOf('short'), { max_age_seconds: 86_400, max_events: 1_000 })
    t.match(set.body.options, { max_age_seconds: 86_400, max_events: 1_000 })
    const age = `update sluice.events set at = at - interval '2 days' where "position" <= 3;
    update sluice.streams set oldest_at = oldest_at - interval '2 days'`

    await retain(t, gateway, 30, age)
    t.strictSame(await counts(gateway), { short: 2, few: 4, plain: 2 })

    await call(gateway, 'PATCH', pathOf('short'), { max_age_seconds: 300_000, max_events: null })
    await call(gateway, 'PATCH', '/api/workspace', { max_events: null })
    await call(gateway, 'PATCH', pathOf('few'), { max_events: null })
    t.match((await call(gateway, 'GET', '/api/workspace')).body, { max_events: null, max_age_seconds: null })
    await publish(gateway, thing(3), { stream: 'short' })
    await retain(t, gateway, 1, age.replaceAll('<= 3', '<= 100'))
    t.strictSame(
      await counts(gateway),
      { short: 5, few: 0, plain: 0 },
      'a longer age keeps events beyond the days of the process',
    )
  },
)

t.test('an option that does not exist, or has no such value, is refused', async t => {
  const gateway = await startGateway(t)
  await publish(gateway, thing(1), { stream: 'room' })

  const refused = []
  for (const body of [
    {},
    { max_events: 0 },
    { max_events: 1.5 },
    { max_age_seconds: '1' },
    { colour: 'red' },
  ])
    refused.push((await call(gateway, 'PATCH', pathOf('room'), body)).body.code)

  t.strictSame(new Set(refused), new Set(['invalid-request']))
})

function thing(count: number) {
  return Array.from({ length: count }, (_, n) => ({ type: 'thing.made', data: { n: n % 10 } }))
}

function bytesOf(data: unknown): number {
  // A short text has one byte for its length in the database.
  return JSON.stringify(data).length + 1
}

function pathOf(stream: string): string {
  return `/api/streams/${encodeURIComponent(stream)}`
}

async function call(gateway: Pick<Gateway, 'url'>, method: string, path: string, body?: object) {
  const response = await fetch(`${gateway.url}${path}`, {
    method,
    headers: { ...as('admin'), ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: Object(text === '' ? {} : JSON.parse(text)) }
}

function names({ body }: { body: { streams: { name: string }[] } }): string[] {
  return body.streams.map(({ name }) => name)
}

async function counts(gateway: Gateway): Promise<Record<string, number>> {
  const { streams } = (await call(gateway, 'GET', '/api/streams')).body
  return Object.fromEntries(
    streams.map(({ name, events }: { name: string; events: number }) => [name, events]),
  )
}

/** Makes the events older with `sql`, then removes what has expired. */
async function retain(t: Test, { databaseUrl }: Gateway, days: number, sql: string): Promise<void> {
  const database = createPool(databaseUrl, { max: 1, name: 'retain', onError: () => undefined })
  t.teardown(() => database.end())
  await database.query(sql)
  await eventSweep({ database, days: { feed: days } }).run(new AbortController().signal)
}
