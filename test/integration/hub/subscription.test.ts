import t from 'tap'
import type { Position, StoredEvent } from '../../../src/log/event.js'
import { readPage } from '../../../src/log/log.js'
import { HIGH_WATER_BYTES } from '../../../src/sse/sink.js'
import { movableClock } from '../../harness/clock.js'
import { type EventStream, openStream } from '../../harness/event-stream.js'
import { appendEvents, observed, startHub } from '../../harness/hub.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { randomFrom } from '../../harness/random.js'
import { until } from '../../harness/until.js'

// A few thousand of these are more than any kernel buffers.
const KILOBYTE = `{"n":$n,"x":"${'x'.repeat(1_000)}"}`
const PAGE_OF_TEXT = `{"n":$n,"x":"${'x'.repeat(4_000)}"}`
/** One write more than the high-water mark: a payload ends once it has reached the mark, and a chunk has a head. */
const BOUND = 2 * HIGH_WATER_BYTES + 5_000

t.test('readers of any speed get each of 20,000 events once, in order', async t => {
  const { url, append, sinks, mostPending } = await startHub(t)
  await append(1)
  const quick = await openStream(t, url)
  const slow = await Promise.all([1, 2].map(() => openStream(t, `${url}?from=beginning`)))
  const late = await openStream(t, `${url}?from=beginning`)
  late.response.pause()
  const stumbling = stumble(slow)

  const ids: string[] = []
  let fell = false
  for (let batch = 0; batch < 40; batch += 1) {
    ids.push(...(await append(500, KILOBYTE)))
    fell ||= sinks.some(({ full }) => full)
  }
  const last = ids.at(-1)
  await quick.until(messages => messages.at(-1)?.id === last)
  t.strictSame(eventIds(quick.messages), ids, 'at once, whatever the others do')
  t.ok(fell, 'somebody could not keep up')
  stumbling.stop()
  late.response.resume()

  for (const client of [...slow, late]) {
    await client.until(messages => messages.at(-1)?.id === last)
    t.strictSame(eventIds(client.messages).slice(1), ids)
  }
  t.ok(mostPending() < BOUND, `${mostPending()} bytes waited`)
})

t.test('a subscription that falls behind a little catches up without the database', async t => {
  const reads: string[] = []
  const { url, append, hub, sinks } = await startHub(t, {
    reading: database => observed(database, name => reads.push(name)),
  })
  const handle = await hub.open('acme', 'feed')
  t.teardown(() => handle?.release())
  const client = await openStream(t, url)
  await client.until(1)
  await client.response.pause()
  const ids: string[] = []
  const publish = async () => {
    ids.push(...(await append(100, KILOBYTE)))
    await until('the tailer has them', () => handle?.stream.head.position === ids.length)
  }
  while (!sinks[0]?.full) await publish()
  await publish()

  client.response.resume()
  await client.until(messages => messages.at(-1)?.id === ids.at(-1))

  t.strictSame(eventIds(client.messages), ids)
  t.notOk(reads.includes('sluice-read-page'))
})

t.test('a client whose sink is full in the turn in which it goes live gets nothing twice', async t => {
  const early: StoredEvent[] = []
  const { url, append, bus, hub, pool, sinks } = await startHub(t, {
    // In parts that each fit into a slice of the event loop, as the tailer hands them over.
    subscribed(stream) {
      for (let first = 0; first < early.length; first += 200) stream.receive(early.slice(first, first + 200))
    },
  })
  bus.status = 'listening'
  const handle = await hub.open('acme', 'feed')
  t.teardown(() => handle?.release())
  const { streamId, ids } = await appendEvents(pool, 3_500, PAGE_OF_TEXT)
  early.push(...(await readPage(pool, streamId, 0 as Position, 3_500, 20_000_000)).events)
  const client = await openStream(t, url)
  client.response.pause()

  t.ok(sinks[0]?.full)
  for (let batch = 0; batch < 10; batch += 1) ids.push(...(await append(200, PAGE_OF_TEXT)))
  client.response.resume()
  await client.until(messages => messages.at(-1)?.id === ids.at(-1))

  t.strictSame(eventIds(client.messages), ids)
})

t.test(
  'a client that never reads is disconnected after a while, and holds a bounded number of bytes',
  async t => {
    const clock = movableClock(t)
    const { url, append, sinks, hub, mostPending } = await startHub(t, { heartbeatMs: 10 })
    const client = await openStream(t, url)
    await client.until(1)
    client.response.pause()
    while (!sinks[0]?.full) await append(200, PAGE_OF_TEXT)
    await append(1_500, PAGE_OF_TEXT)

    await until('it is let go', () => {
      clock.forward(10_000)
      return hub.clients().total === 0
    })

    t.ok(mostPending() < BOUND, `${mostPending()} bytes waited`)
    client.response.resume()
    t.notOk(await client.ended(), 'not as if it had got all')
  },
)

t.test('a client that reads, however rarely, stays', async t => {
  const clock = movableClock(t)
  const { url, append, sinks, hub } = await startHub(t, { heartbeatMs: 10 })
  const client = await openStream(t, url)
  await client.until(1)
  client.response.pause()
  while (!sinks[0]?.full) await append(200, PAGE_OF_TEXT)

  for (let times = 0; times < 5; times += 1) {
    clock.forward(20_000)
    client.response.resume()
    const [id] = await append(1)
    await client.until(messages => messages.some(message => message.id === id))
    client.response.pause()
  }

  t.equal(hub.clients().total, 1)
})

t.test('a filter applies while catching up, while live and after falling behind', async t => {
  const { url, append, sinks } = await startHub(t, { heartbeatMs: 100 })
  await append(300, PAGE_OF_TEXT, 'thing.kept')
  await append(300, PAGE_OF_TEXT, 'other.made')
  const client = await openStream(t, `${url}?from=beginning&types=thing.*`)
  const wanted = () => client.messages.filter(({ event }) => event === 'thing.kept').length
  await until('the past', () => wanted() === 300)
  client.response.pause()
  let kept = 300
  while (!sinks[0]?.full) {
    await append(200, PAGE_OF_TEXT, 'other.made')
    await append(200, PAGE_OF_TEXT, 'thing.kept')
    kept += 200
  }
  await append(200, PAGE_OF_TEXT, 'thing.kept')
  const skipped = await append(200, PAGE_OF_TEXT, 'other.made')

  client.response.resume()
  await until('the rest', () => wanted() === kept + 200)
  await until('the cursor', () => client.text().includes(`id: ${skipped.at(-1)}\n`))

  t.notOk(client.messages.some(({ event }) => event === 'other.made'))
})

t.test('a client that catches up gets every event although the database was away meanwhile', async t => {
  let unplug = async () => {}
  let plugIn = async () => {}
  const { url, append, sinks, pool } = await startHub(t, {
    async url(databaseUrl) {
      const proxy = await startProxy(t, databaseUrl)
      unplug = proxy.unplug
      plugIn = proxy.plugIn
      return proxy.url
    },
  })
  const ids = await append(3_500, PAGE_OF_TEXT)
  const client = await openStream(t, `${url}?from=beginning`)
  client.response.pause()
  await until('it is full', () => sinks[0]?.full === true)

  await unplug()
  client.response.resume()
  await until('it has what was read', () => sinks[0]?.pending === 0)
  await plugIn()

  await client.until(messages => messages.at(-1)?.id === ids.at(-1))
  t.strictSame(eventIds(client.messages), ids)
  t.equal((await pool.query('select count(*) from sluice.events')).rows[0].count, 3_500)
})

t.test('a heartbeat carries the cursor of its client, also after an event', async t => {
  const { url, append } = await startHub(t, { heartbeatMs: 10 })
  const client = await openStream(t, url)
  await client.until(1, 'heartbeat')

  const [id] = await append(1)
  await client.until(messages => messages.some(message => message.id === id))
  const { length } = client.messages
  await client.until(messages => messages.length > length)

  t.match(client.messages[length], { event: 'heartbeat', id })
})

t.test('when its permit ends, a client gets a notice and its stream ends', async t => {
  const clock = movableClock(t)
  const { url } = await startHub(t, { heartbeatMs: 10 })
  const client = await openStream(t, `${url}?expires=${Date.now() + 60_000}`)
  await client.until(1, 'heartbeat')

  clock.forward(61_000)

  t.ok(await client.ended())
  t.match(client.messages.at(-1), { event: 'auth-expired', data: '{}' })
})

t.test('a stream that has reached its maximum age ends without a notice', async t => {
  const clock = movableClock(t)
  const { url } = await startHub(t, { heartbeatMs: 10, maxAgeMs: 3_600_000 })
  const client = await openStream(t, url)
  await client.until(1, 'heartbeat')

  clock.forward(3_200_000)
  const { length } = client.messages
  await client.until(messages => messages.length > length + 1)
  clock.forward(800_000)

  t.ok(await client.ended())
  t.equal(client.retries.length, 1)
  t.equal(client.messages.at(-1)?.event, 'heartbeat')
  t.notOk(client.messages.some(({ event }) => event === 'auth-expired'))
})

t.test('a client that disconnects leaves nothing behind', async t => {
  const { url, append, hub } = await startHub(t)
  await append(1_500, PAGE_OF_TEXT)
  const live = await openStream(t, url)
  const catching = await openStream(t, `${url}?from=beginning`)
  catching.response.pause()
  await until('both are there', () => hub.clients().total === 2)
  const handle = await hub.open('acme', 'feed')
  handle?.release()
  t.equal(handle?.stream.followers.size, 2)

  live.close()
  catching.close()

  await until('both are gone', () => hub.clients().total === 0)
  t.equal(handle?.stream.followers.size, 0)
  await append(1)
})

/** Lets clients read and pause at random, in the same way in every run. */
function stumble(clients: readonly EventStream[]): { stop(): void } {
  const random = randomFrom(7)
  const timer = setInterval(() => {
    for (const { response } of clients) {
      if (random.integer(4) === 0) response.resume()
      else response.pause()
    }
  }, 2)
  return {
    stop() {
      clearInterval(timer)
      for (const { response } of clients) response.resume()
    },
  }
}

function eventIds(messages: EventStream['messages']): (string | undefined)[] {
  return messages.filter(({ event }) => event === 'thing.made').map(({ id }) => id)
}
