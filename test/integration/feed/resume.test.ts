import t from 'tap'
import { openStream } from '../../harness/event-stream.js'
import { as, publish, startGateway } from '../../harness/gateway.js'

const numbered = (n: number) => ({ type: 'thing.made', data: { n } })

/** What a client that comes back with `id` gets, up to the next event after it. */
async function comeBack(
  t: import('tap').Test,
  gateway: Awaited<ReturnType<typeof startGateway>>,
  id: string | string[],
) {
  const stream = await openStream(t, `${gateway.url}/api/events`, {
    headers: { ...as('viewer'), 'last-event-id': id },
  })
  await stream.until(1)
  const [next] = await publish(gateway, { type: 'next', data: {} })
  const messages = await stream.until(messages => messages.at(-1)?.id === next)
  return messages.slice(1, -1)
}

t.test('a text that cannot be an event id gets reset, and the stream continues at the head', async t => {
  const gateway = await startGateway(t)
  const ids = await publish(gateway, [1, 2, 3].map(numbered))
  let head = ids.at(-1)
  const attempts = {
    malformed: 'yesterday',
    'made of an injection': "1'; drop table sluice.events; --",
    negative: '-1',
    'over-long': '1'.repeat(65),
    'beyond any number': '99999999999999999999',
    doubled: [ids[0] ?? '', ids[1] ?? ''],
    'with a short check': '1.abc',
    'from the future, typed by hand': '1000',
  }

  for (const [name, id] of Object.entries(attempts)) {
    const heard = await comeBack(t, gateway, id)

    t.equal(heard.length, 1, name)
    t.match(heard[0], { event: 'reset', id: head })
    t.match(JSON.parse(heard[0]?.data ?? ''), { reason: 'unknown-id', head, earliest: /^0\.[a-z2-7]{6}$/ })
    const page = await fetch(`${gateway.url}/api/events?limit=1000`, {
      headers: { ...as('viewer'), accept: 'application/json' },
    })
    head = ((await page.json()) as { head: string }).head
  }
})

t.test('an empty Last-Event-ID counts as none', async t => {
  const gateway = await startGateway(t)
  await publish(gateway, numbered(1))

  const heard = await comeBack(t, gateway, '')

  t.same(heard, [])
})

t.test('an id of another log gets reset: its check differs, or its position was never reached', async t => {
  const gateway = await startGateway(t)
  const other = await publish(gateway, [1, 2, 3].map(numbered), { workspace: 'globex' })
  const [own] = await publish(gateway, numbered(1))

  for (const id of [other[0], other[2]]) {
    const heard = await comeBack(t, gateway, id ?? '')

    t.equal(heard.length, 1)
    t.match(JSON.parse(heard[0]?.data ?? ''), { reason: 'history-lost' })
  }
  t.same(await comeBack(t, gateway, own ?? ''), await eventsAfter(gateway, own ?? ''))
})

async function eventsAfter(gateway: Awaited<ReturnType<typeof startGateway>>, id: string) {
  const response = await fetch(`${gateway.url}/api/events?after=${id}`, {
    headers: { ...as('viewer'), accept: 'application/json' },
  })
  const { events } = (await response.json()) as { events: { id: string; type: string; data: object }[] }
  return events.slice(0, -1).map(({ id, type, data }) => ({ id, event: type, data: JSON.stringify(data) }))
}

t.test('a client that was away for longer than events are kept gets reset', async t => {
  const gateway = await startGateway(t)
  const ids = await publish(gateway, [1, 2, 3, 4].map(numbered))
  await gateway.app.database.query(
    `update sluice.events set at = at - interval '60 days' where "position" <= 3`,
  )
  await gateway.app.database.query(`update sluice.streams set oldest_at = '-infinity'`)
  await gateway.app.database.query(`select sluice.retain('feed', interval '30 days', 1000)`)

  const late = await comeBack(t, gateway, ids[0] ?? '')
  const atTheEdge = await comeBack(t, gateway, ids[2] ?? '')

  t.match(JSON.parse(late[0]?.data ?? ''), { reason: 'retention', earliest: ids[2] })
  t.same(
    atTheEdge.map(({ id }) => id),
    [ids[3], (await lastIds(gateway, 2))[0]],
    'the last removed event is where the log begins: nothing after it is missing',
  )
})

async function lastIds(gateway: Awaited<ReturnType<typeof startGateway>>, count: number): Promise<string[]> {
  const response = await fetch(`${gateway.url}/api/events`, {
    headers: { ...as('viewer'), accept: 'application/json' },
  })
  const { events } = (await response.json()) as { events: { id: string }[] }
  return events.slice(-count).map(({ id }) => id)
}

t.test('the header wins over the id in the URL, as on every reconnect of an EventSource', async t => {
  const gateway = await startGateway(t)
  const ids = await publish(gateway, [1, 2, 3].map(numbered))

  const stream = await openStream(t, `${gateway.url}/api/events?from=beginning&last=2`, {
    headers: { ...as('viewer'), 'last-event-id': ids[1] ?? '' },
  })

  const messages = await stream.until(2)
  t.equal(messages[1]?.id, ids[2])
})

t.test('the end of a closed stream is 204, and before it the remaining events come', async t => {
  const gateway = await startGateway(t)
  const ids = await publish(gateway, [1, 2].map(numbered), { stream: 'done' })
  await gateway.app.database.query(
    `select sluice.close_stream(id) from sluice.streams where name = 'done' and workspace = 'acme'`,
  )
  const url = `${gateway.url}/api/events?stream=done`

  const atTheEnd = await fetch(url, { headers: { ...as('viewer'), 'last-event-id': ids[1] ?? '' } })
  const below = await openStream(t, url, { headers: { ...as('viewer'), 'last-event-id': ids[0] ?? '' } })

  t.equal(atTheEnd.status, 204)
  const messages = await below.until(2)
  t.equal(messages[1]?.id, ids[1])
})
