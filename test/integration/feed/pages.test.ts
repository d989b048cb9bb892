import t from 'tap'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'

const numbered = (n: number) => ({ type: n % 2 === 0 ? 'even' : 'odd', data: { n } })
const upTo = (count: number) => Array.from({ length: count }, (_, index) => numbered(index + 1))

interface Page {
  events: { id: string; position: number; type: string; at: string; event_id: string; data: { n: number } }[]
  next: string
  head: string
}

async function page(gateway: Gateway, query = '', accept = 'application/json'): Promise<Page> {
  const response = await fetch(`${gateway.url}/api/events?${query}`, { headers: { ...as('viewer'), accept } })
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`)
  return (await response.json()) as Page
}

t.test('an empty log is an empty page', async t => {
  const gateway = await startGateway(t)

  const empty = await page(gateway)

  t.same(empty.events, [])
  t.match(empty, { next: /^0\./, head: /^0\./ })
})

t.test('pages walk the log from the beginning, each event once', async t => {
  const gateway = await startGateway(t)
  const ids = await publish(gateway, upTo(25))

  const walked: string[] = []
  let next = 'beginning'
  let last: Page
  do {
    last = await page(gateway, `limit=10&after=${next}`)
    walked.push(...last.events.map(({ id }) => id))
    next = last.next
  } while (last.events.length > 0)

  t.same(walked, ids)
  t.equal(last.next, last.head)
  t.match((await page(gateway, 'limit=1')).events[0], {
    id: ids[0],
    position: 1,
    type: 'odd',
    at: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/,
    event_id: /^[0-9a-f-]{36}$/,
    data: { n: 1 },
  })
})

t.test('a filtered page has the matching events, and its cursor moves past the others', async t => {
  const gateway = await startGateway(t)
  const ids = await publish(gateway, upTo(9))

  const first = await page(gateway, 'types=even&limit=3')
  const second = await page(gateway, `types=even&limit=3&after=${first.next}`)

  t.same(
    first.events.map(({ data }) => data.n),
    [2, 4, 6],
  )
  t.same(
    second.events.map(({ data }) => data.n),
    [8],
  )
  t.equal(second.next, ids[8])
})

t.test('the next event answers a long poll, and an empty page does when its time is over', async t => {
  const gateway = await startGateway(t)
  const [head] = await publish(gateway, numbered(1))
  const waiting = page(gateway, `after=${head}&wait=20s&types=even`)
  const inVain = page(gateway, `after=${head}&wait=300ms&types=never`)

  const [, even] = await publish(gateway, [numbered(3), numbered(2)])

  t.same(
    (await waiting).events.map(({ id }) => id),
    [even],
  )
  t.same((await inVain).events, [])
  t.equal((await inVain).next, even)
})

t.test('a page is read from the log, so a caller sees the event that it has just published', async t => {
  const gateway = await startGateway(t, { env: { BUS_NOTIFY: 'off' } })

  for (const n of [1, 2, 3]) {
    const [id] = await publish(gateway, numbered(n))

    t.equal((await page(gateway, 'types=odd,even')).events.at(-1)?.id, id)
  }
})

t.test(
  'a page after an event that the log does not have is 410, and the error has the place to continue',
  async t => {
    const gateway = await startGateway(t)
    const [id] = await publish(gateway, numbered(1))

    const response = await fetch(`${gateway.url}/api/events?after=1.aaaaaa`, {
      headers: { ...as('viewer'), accept: 'application/json' },
    })

    t.equal(response.status, 410)
    t.match(await response.json(), { code: 'history-lost', head: id, earliest: /^0\./ })
  },
)

t.test('NDJSON with a limit is the same page, one event per line', async t => {
  const gateway = await startGateway(t)
  await publish(gateway, upTo(5))

  const response = await fetch(`${gateway.url}/api/events?limit=3`, {
    headers: { ...as('viewer'), accept: 'application/x-ndjson' },
  })

  const lines = (await response.text()).trimEnd().split('\n')
  t.match(response.headers.get('content-type'), /^application\/x-ndjson/)
  t.same(
    lines.map(line => JSON.parse(line)),
    (await page(gateway, 'limit=3')).events,
  )
})

t.test('NDJSON without a limit follows the log', async t => {
  const gateway = await startGateway(t)
  const controller = new AbortController()
  t.teardown(() => controller.abort())
  const response = await fetch(`${gateway.url}/api/events?from=beginning`, {
    headers: { ...as('viewer'), accept: 'application/x-ndjson' },
    signal: controller.signal,
  })
  const [id] = await publish(gateway, numbered(1))

  let text = ''
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString()
    if (text.includes('"odd"')) break
  }

  const [hello, event] = text.split('\n').map(line => line && JSON.parse(line))
  t.match(hello, { type: 'server.state', data: { mode: 'normal' } })
  t.match(event, { id, position: 1, type: 'odd', data: { n: 1 } })
})

t.test('data from SQL is sent as it is stored, with its white space and numbers', async t => {
  const gateway = await startGateway(t)
  const data = '{ "big": 12345678901234567890,\r\n\t"exact": 1.10, "text": "a\\u0000b\\ud800" }'
  await gateway.app.database.query(`select sluice.publish('acme', 'feed', 'raw', $1::json)`, [data])

  const response = await fetch(`${gateway.url}/api/events?limit=1`, {
    headers: { ...as('viewer'), accept: 'application/x-ndjson' },
  })

  const line = await response.text()
  t.match(line, '"data":{ "big": 12345678901234567890, \t"exact": 1.10, "text": "a\\u0000b\\ud800" }}\n')
  t.equal(line.indexOf('\n'), line.length - 1)
})

t.test('one event by its id', async t => {
  const gateway = await startGateway(t)
  const ids = await publish(gateway, upTo(2))
  const get = (id: string) => fetch(`${gateway.url}/api/events/${id}`, { headers: as('viewer') })

  t.match(await (await get(ids[1] ?? '')).json(), { id: ids[1], data: { n: 2 } })
  t.match(await (await get('2')).json(), { id: ids[1] }, 'typed by hand')
  t.equal((await get('2.aaaaaa')).status, 404)
  t.equal((await get('3')).status, 404)
  t.equal((await get('0')).status, 404)
  t.equal((await get('two')).status, 400)
})

t.test('pages count against the rate limit, which answers with a status', async t => {
  const gateway = await startGateway(t, { env: { RATE_LIMIT_MAX: '1' } })
  await page(gateway)

  const response = await fetch(`${gateway.url}/api/events`, {
    headers: { ...as('viewer'), accept: 'application/json' },
  })

  t.match(await response.json(), { status: 429, code: 'rate-limited' })
  t.ok(response.headers.get('retry-after'))
})
