import t from 'tap'
import { openStream } from '../../harness/event-stream.js'
import { as, publish, startGateway } from '../../harness/gateway.js'

const numbered = (n: number) => ({ type: 'thing.made', data: { n } })

t.test('a client sees the state first, then each event in order with its id', async t => {
  const gateway = await startGateway(t)
  const stream = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })

  const ids = await publish(gateway, [1, 2, 3].map(numbered))
  const messages = await stream.until(4)

  t.equal(stream.response.statusCode, 200)
  t.match(stream.response.headers, {
    'content-type': 'text/event-stream',
    'cache-control': 'private, no-cache, no-transform',
    'x-accel-buffering': 'no',
  })
  t.match(messages[0], { event: 'server.state', data: /^{"mode":"normal","connection":"[0-9a-f-]{36}"}$/ })
  t.match(
    messages.slice(1),
    ids.map((id, index) => ({ id, event: 'thing.made', data: `{"n":${index + 1}}` })),
  )
  t.equal(stream.retries.length, 1)
})

t.test('a client that reconnects with an event id gets exactly the later events', async t => {
  const gateway = await startGateway(t)
  const ids = await publish(gateway, [1, 2, 3, 4, 5].map(numbered))

  const byHeader = await openStream(t, `${gateway.url}/api/events`, {
    headers: { ...as('viewer'), 'last-event-id': ids[2] ?? '' },
  })
  const byQuery = await openStream(t, `${gateway.url}/api/events?last_event_id=${ids[2]}`, {
    headers: as('viewer'),
  })

  for (const stream of [byHeader, byQuery]) {
    const messages = await stream.until(3)
    t.same(
      messages.slice(1).map(({ id }) => id),
      ids.slice(3),
    )
    t.equal(messages[0]?.id, ids[2], 'its cursor is known before the first event')
  }
})

t.test('a client that has got no event yet resumes where it began', async t => {
  const gateway = await startGateway(t)
  await publish(gateway, numbered(1))
  const first = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  const [hello] = await first.until(1)
  first.close()

  const [missed] = await publish(gateway, numbered(2))
  const second = await openStream(t, `${gateway.url}/api/events`, {
    headers: { ...as('viewer'), 'last-event-id': hello?.id ?? '' },
  })

  const messages = await second.until(2)
  t.equal(messages[1]?.id, missed)
})

t.test('start: from the beginning, from an id, from now, with the newest n', async t => {
  const gateway = await startGateway(t)
  const ids = await publish(gateway, [1, 2, 3, 4, 5].map(numbered))
  const follow = (query: string) =>
    openStream(t, `${gateway.url}/api/events?${query}`, { headers: as('viewer') })

  const streams = {
    beginning: await follow('from=beginning'),
    id: await follow(`from=${ids[1]}`),
    bare: await follow('from=2'),
    now: await follow('from=now'),
    last: await follow('last=2'),
    none: await follow('last=0'),
    more: await follow('last=100'),
  }
  const greetings = await Promise.all(
    Object.values(streams).map(async stream => (await stream.until(1))[0]?.id),
  )
  const [next] = await publish(gateway, numbered(6))
  const seen = async (stream: Awaited<ReturnType<typeof follow>>) => {
    const messages = await stream.until(messages => messages.at(-1)?.id === next)
    return messages.slice(1).map(({ id }) => id)
  }

  t.ok(
    greetings.every(id => /^\d+\.[a-z2-7]{6}$/.test(id ?? '')),
    `each knows where it is by an id that can be checked: ${greetings}`,
  )
  t.same(await seen(streams.beginning), [...ids, next])
  t.same(await seen(streams.id), [...ids.slice(2), next])
  t.same(await seen(streams.bare), [...ids.slice(2), next])
  t.same(await seen(streams.now), [next])
  t.same(await seen(streams.last), [...ids.slice(3), next])
  t.same(await seen(streams.none), [next])
  t.same(await seen(streams.more), [...ids, next])
})

t.test('a filter selects the types that it names, and the cursor of its client still moves', async t => {
  const gateway = await startGateway(t, { env: { HEARTBEAT_MS: '100' } })
  const stream = await openStream(t, `${gateway.url}/api/events?types=item.*,task.done`, {
    headers: as('viewer'),
  })
  await stream.until(1)

  const types = ['item.made', 'task.started', 'task.done', 'item.gone', 'other.thing']
  const ids = await publish(
    gateway,
    types.map(type => ({ type, data: {} })),
  )
  const messages = await stream.until(
    messages => messages.at(-1)?.event === 'heartbeat' && messages.at(-1)?.id === ids.at(-1),
  )

  const events = messages.filter(({ event }) => event !== 'heartbeat' && event !== 'server.state')
  t.same(
    events.map(({ event }) => event),
    ['item.made', 'task.done', 'item.gone'],
  )
})

t.test('a filtered replay that skips the newest events sends the cursor in a block without data', async t => {
  const gateway = await startGateway(t)
  const ids = await publish(
    gateway,
    ['a.kept', 'b.skipped', 'b.skipped'].map(type => ({ type, data: {} })),
  )

  const stream = await openStream(t, `${gateway.url}/api/events?types=a.*&from=beginning`, {
    headers: as('viewer'),
  })
  await stream.until(2)
  // The block dispatches nothing, so the test looks for it in the text.
  await stream.until(() => stream.text().includes(`id: ${ids[2]}\n\n`))

  t.equal(stream.messages.length, 2)
})

t.test('one heartbeat after another keeps an idle stream alive, each with the cursor', async t => {
  const gateway = await startGateway(t, { env: { HEARTBEAT_MS: '100' } })
  const [id] = await publish(gateway, numbered(1))
  const stream = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })

  const beats = await stream.until(2, 'heartbeat')

  t.match(beats[0], { data: '{}', id })
})

t.test('HEAD answers with the head and ends', async t => {
  const gateway = await startGateway(t)

  const response = await fetch(`${gateway.url}/api/events`, {
    method: 'HEAD',
    headers: { ...as('viewer'), accept: 'text/event-stream' },
  })

  t.equal(response.status, 200)
  t.equal(response.headers.get('content-type'), 'text/event-stream')
  t.equal(gateway.app.hub.clients().total, 0)
})

t.test('two gateways on one database see each other’s events', async t => {
  const one = await startGateway(t)
  const two = await startGateway(t, { databaseUrl: one.databaseUrl })
  const stream = await openStream(t, `${two.url}/api/events`, { headers: as('viewer') })
  await stream.until(1)

  const ids = [
    await publish(one, numbered(1)),
    await publish(two, numbered(2)),
    await publish(one, numbered(3)),
  ]

  const messages = await stream.until(4)
  t.same(
    messages.slice(1).map(({ id }) => id),
    ids.flat(),
  )
})

t.test('a client that is ahead of this process’s tailer continues without a reset', async t => {
  const gateway = await startGateway(t, { env: { BUS_NOTIFY: 'off' } })
  await publish(gateway, numbered(1))
  const watching = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  await watching.until(1)
  // Committed elsewhere, and this process has had no wake yet.
  const { rows } = await gateway.app.database.query(
    `select "position" || '' as id from sluice.append('acme', 'feed', 'thing.made', '{"n":2}', 'x')`,
  )

  const stream = await openStream(t, `${gateway.url}/api/events`, {
    headers: { ...as('viewer'), 'last-event-id': rows[0].id },
  })
  const [next] = await publish(gateway, numbered(3))

  const messages = await stream.until(messages => messages.at(-1)?.id === next)
  t.same(
    messages.map(({ event }) => event),
    ['server.state', 'thing.made'],
  )
})

t.test('a client gets nothing of other workspaces and other streams', async t => {
  const gateway = await startGateway(t)
  const stream = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  await stream.until(1)

  await publish(gateway, numbered(1), { workspace: 'globex' })
  await publish(gateway, numbered(2), { stream: 'other' })
  const [own] = await publish(gateway, numbered(3))

  const messages = await stream.until(2)
  t.equal(messages[1]?.id, own)
})
