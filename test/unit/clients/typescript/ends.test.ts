/** clients/typescript holds nothing after its end, and its errors are its own. */
import { getEventListeners, once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { createClient } from '../../../../clients/typescript/src/client.js'
import { Consumers } from '../../../../clients/typescript/src/consumers/consumers.js'
import { within } from '../../../harness/patience.js'
import { until } from '../../../harness/until.js'

const FEEDS = 200
const AT_ONCE = 10
const OPENING = 'event: server.state\ndata: {"mode":"normal","connection":"c1"}\n\n'
const PATIENCE_MS = 10_000

t.test('feeds that were opened and closed leave no timer and no listener', async t => {
  const url = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(OPENING)
  })
  const client = createClient({ url, credentials: () => ({ token: 'a', expiresAt: Date.now() + 3_600_000 }) })
  const { signal } = new AbortController()
  const timers = countTimers(t)
  const open = async () => {
    const feed = client.feed({ signal, onNotice: () => feed.close() })
    await feed.each(() => {})
  }

  for (let n = 0; n < FEEDS; n += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, open))

  t.strictSame(getEventListeners(signal, 'abort'), [])
  t.strictSame([...timers.values()], [])
})

t.test('consumers that were followed and closed leave no timer and no listener', async t => {
  const consumer = { name: 'orders', epoch: 7, ack_timeout_ms: 30_000, max_in_flight: 256 }
  const hello = `event: server.state\ndata: ${JSON.stringify({ mode: 'normal', connection: 'c1', consumer })}\n\n`
  let acknowledged = 0
  const url = await serve(t, (request, response) => {
    if (request.method === 'POST') {
      acknowledged += 1
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    } else {
      const event = 'id: 4.aaaaaa\nevent: part.made\ndata: {}\n\n'
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(hello + event)
    }
  })
  const consumers = new Consumers(createClient({ url, credentials: 'a' }))
  const { signal } = new AbortController()
  const timers = countTimers(t)
  const follow = async () => {
    const followed = consumers.follow('orders', { signal })
    await followed.each(() => followed.close())
  }

  for (let n = 0; n < FEEDS; n += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, follow))

  t.equal(acknowledged, FEEDS)
  t.strictSame(getEventListeners(signal, 'abort'), [])
  t.strictSame([...timers.values()], [])
})

t.test('a feed ends when it is closed, though the application never gives credentials', async t => {
  const { signal } = new AbortController()
  const states: string[] = []
  const client = createClient({ url: 'http://127.0.0.1:9', credentials: () => new Promise(() => {}) })
  const feed = client.feed({ signal, silence: 50, retry: 1, onState: ({ name }) => states.push(name) })
  const following = feed.each(() => {})
  await until('the attempt is given up', () => states.filter(name => name === 'connecting').length === 2)

  feed.close()
  await within(PATIENCE_MS, following, () => 'the iteration does not end')

  t.strictSame(states, ['connecting', 'waiting', 'connecting', 'closed'])
})

t.test(
  'a request that is not safe to repeat is sent once, and fails with an error of the client',
  async t => {
    let requests = 0
    const url = await serve(t, (_, response) => {
      requests += 1
      if (requests === 1) response.destroy()
      else response.writeHead(503).end()
    })
    const { items } = createClient({ url })
    const item = { part_number: 'A01-0002', description: 'Bracket', item_type: 'part' } as const

    await t.rejects(items.create(item), {
      name: 'GaveUpError',
      code: 'gave-up',
      cause: { name: 'TypeError' },
    })
    await t.rejects(items.create(item), {
      name: 'GaveUpError',
      cause: { name: 'UnavailableError', status: 503 },
    })
    t.equal(requests, 2)
  },
)

/** The timers of the client that wait, with where they were set. */
function countTimers(t: Test): ReadonlyMap<unknown, string> {
  const { setTimeout: set, clearTimeout: clear } = globalThis
  const waiting = new Map<unknown, string>()
  t.teardown(() => Object.assign(globalThis, { setTimeout: set, clearTimeout: clear }))
  Object.assign(globalThis, {
    setTimeout(act: (...values: unknown[]) => void, ms: number, ...values: unknown[]) {
      const timer = set(() => {
        waiting.delete(timer)
        act(...values)
      }, ms)
      const { stack = '' } = new Error('set')
      if (stack.includes('clients/typescript/src')) waiting.set(timer, stack)
      return timer
    },
    clearTimeout(timer: NodeJS.Timeout) {
      waiting.delete(timer)
      clear(timer)
    },
  })
  return waiting
}

async function serve(t: Test, listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return `http://127.0.0.1:${port}`
}
