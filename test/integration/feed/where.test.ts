/** A condition on the data, in each form in which a client gets events. */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { EventSource } from 'eventsource'
import t from 'tap'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'

const OPEN = 'data.project eq "A 12%&+" and data.state in ("open","held")'
const QUERY = `where=${encodeURIComponent(OPEN)}`
const item = (state: string, project = 'A 12%&+') => ({ type: 'item.changed', data: { project, state } })
const others = (count: number) => Array.from({ length: count }, () => item('closed'))

function get(gateway: Gateway, query: string, accept = 'application/json', signal?: AbortSignal) {
  const headers = { ...as('viewer'), accept }
  return fetch(`${gateway.url}/api/events?${query}&${QUERY}`, { headers, signal: signal ?? null })
}

async function page(gateway: Gateway, query = '') {
  const answer = await get(gateway, query)
  const { events, next } = (await answer.json()) as { events: { id: string }[]; next: string }
  return { ids: events.map(({ id }) => id), next }
}

t.test('pages have the matching events, and their cursor moves past the others', async t => {
  const gateway = await startGateway(t)
  const events = [item('open'), item('held'), item('open', 'B'), item('closed'), item('open'), item('closed')]
  const ids = await publish(gateway, events)

  const first = await page(gateway, 'limit=2')
  const second = await page(gateway, `limit=2&after=${first.next}`)

  t.strictSame([first.ids, second.ids], [[ids[0], ids[1]], [ids[4]]])
  t.equal(second.next, ids[5])
})

t.test('a long poll ends with the next match, after others, or with its time', async t => {
  const gateway = await startGateway(t)
  const [head] = await publish(gateway, item('open'))
  const waiting = page(gateway, `after=${head}&wait=30s`)
  const passed = await publish(gateway, others(3))
  const inVain = await page(gateway, `after=${head}&wait=300ms`)

  const [match] = await publish(gateway, item('held'))

  t.strictSame(inVain, { ids: [], next: passed[2] })
  t.strictSame(await waiting, { ids: [match], next: match })
})

t.test('lines have the matching events of the past and of now', async t => {
  const gateway = await startGateway(t)
  const ids = await publish(gateway, [item('open'), item('closed')])
  const controller = new AbortController()
  t.teardown(() => controller.abort())
  const response = await get(gateway, 'from=beginning', 'application/x-ndjson', controller.signal)
  ids.push(...(await publish(gateway, [item('open', 'B'), item('held')])))

  let text = ''
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString()
    if (text.includes(ids[3] ?? '?')) break
  }

  const lines = text.split('\n').flatMap(line => (line ? [JSON.parse(line)] : []))
  t.strictSame(
    lines.flatMap(({ position, id }) => (position === undefined ? [] : [id])),
    [ids[0], ids[3]],
  )
})

t.test('an EventSource that is cut off resumes with its condition, after what it was sent last', async t => {
  const gateway = await startGateway(t)
  const sent: (string | null)[] = []
  const sockets = new Set<Socket>()
  gateway.app.server.on('request', ({ url, socket }: IncomingMessage) => {
    if (url?.includes('where=')) sockets.add(socket)
  })
  const query = new URLSearchParams({ where: OPEN })
  const source = new EventSource(`${gateway.url}/api/events?${query}`, {
    fetch: (url, init) => {
      const headers = new Headers({ ...init.headers, ...as('viewer') })
      sent.push(headers.get('last-event-id'))
      return fetch(url, { ...init, headers })
    },
  })
  t.teardown(() => source.close())
  const heard: string[] = []
  source.addEventListener('item.changed', ({ lastEventId }) => heard.push(lastEventId))
  let opened = 0
  source.addEventListener('server.state', () => {
    opened += 1
  })
  await until('it is open', () => opened === 1)
  const ids = await publish(gateway, [...others(1), item('open'), ...others(1)])
  await until('the first match', () => heard.length === 1)

  for (const socket of sockets) socket.destroy()
  ids.push(...(await publish(gateway, [...others(2), item('held'), item('open', 'B')])))
  await until('the match of the meantime', () => heard.length === 2)
  ids.push(...(await publish(gateway, item('held'))))
  await until('the last match', () => heard.length === 3)

  t.strictSame(heard, [ids[1], ids[5], ids[7]])
  t.ok([ids[1], ids[2]].includes(sent[1] ?? ''), `it resumed after ${sent[1]}`)
})
