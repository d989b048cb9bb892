import t from 'tap'
import type { Position, StoredEvent } from '../../src/events/event.js'
import { readPage } from '../../src/events/log.js'
import { HIGH_WATER_BYTES } from '../../src/sse/sink.js'
import { movableClock } from '../harness/clock.js'
import { type EventStream, openStream } from '../harness/event-stream.js'
import { appendEvents, observed, startHub } from '../harness/hub.js'
import { startProxy } from '../harness/postgres-proxy.js'
import { randomFrom } from '../harness/random.js'
import { until } from '../harness/until.js'

/** A kilobyte, so that 20,000 of them are more than any kernel buffers. */
const KILOBYTE = `{"n":$n,"x":"${'x'.repeat(1_000)}"}`
/** One write more than the high mark: a payload is closed when it has reached the mark, and chunks have a frame. */
const BOUND = 2 * HIGH_WATER_BYTES + 2_000

t.test('readers of any speed get each of 20,000 events once, in order', async t => {
  const { url, append, sinks } = await startHub(t)
  await append(1)
  const quick = await openStream(t, url)
  const slow = await Promise.all([1, 2].map(() => openStream(t, `${url}?from=beginning`)))
  const late = await openStream(t, `${url}?from=beginning`)
  late.response.pause()
  const stumbling = stumble(slow)

  const ids: string[] = []
  let most = 0
  let fell = false
  for (let batch = 0; batch < 40; batch += 1) {
    ids.push(...(await append(500, KILOBYTE)))
    most = Math.max(most, ...sinks.map(({ pending }) => pending))
    fell ||= sinks.some(({ full }) => full)
  }
  const last = ids.at(-1)
  stumbling.stop()
  late.response.resume()

  t.ok(fell, 'somebody could not keep up')
  t.ok(most < BOUND, `${most} bytes waited`)
  await quick.until(messages => messages.at(-1)?.id === last)
  t.strictSame(eventIds(quick.messages), ids)
  for (const client of [...slow, late]) {
    await client.until(messages => messages.at(-1)?.id === last)
    t.strictSame(eventIds(client.messages).slice(1), ids)
  }
})

t.test('who falls behind a little catches up without the database', async t => {
  const reads: string[] = []
  const { url, append, sinks } = await startHub(t, {
    reading: database => observed(database, name => reads.push(name)),
  })
  const client = await openStream(t, url)
  await client.until(1)
  await client.response.pause()
  const ids: string[] = []
  while (!sinks[0]?.full) ids.push(...(await append(100, KILOBYTE)))
  ids.push(...(await append(100, KILOBYTE)))

  client.response.resume()
  await client.until(messages => messages.at(-1)?.id === ids.at(-1))

  t.strictSame(eventIds(client.messages), ids)
  t.notOk(reads.includes('sluice-read-page'))
})

t.test('a client that is full in the very turn in which it went live gets nothing twice', async t => {
  const early: StoredEvent[] = []
  const { url, append, bus, hub, pool, sinks } = await startHub(t, {
    subscribed: stream => stream.receive(early),
  })
  bus.status = 'listening'
  const lease = await hub.open('acme', 'feed')
  t.teardown(() => lease?.release())
  const { streamId, ids } = await appendEvents(pool, 12_000, KILOBYTE)
  early.push(...(await readPage(pool, streamId, 0 as Position, 12_000, 20_000_000)))
  const client = await openStream(t, url)
  client.response.pause()

  t.ok(sinks[0]?.full)
  for (let batch = 0; batch < 10; batch += 1) ids.push(...(await append(500, KILOBYTE)))
  client.response.resume()
  await client.until(messages => messages.at(-1)?.id === ids.at(-1))

  t.strictSame(eventIds(client.messages), ids)
})

t.test('a client that never reads is let go after a while, and costs a bounded part of memory', async t => {
  const clock = movableClock(t)
  const { url, append, sinks, hub } = await startHub(t, { heartbeatMs: 10 })
  const client = await openStream(t, url)
  await client.until(1)
  client.response.pause()
  let most = 0
  while (!sinks[0]?.full) await append(500, KILOBYTE)
  for (let batch = 0; batch < 10; batch += 1) {
    await append(500, KILOBYTE)
    most = Math.max(most, sinks[0]?.pending ?? 0)
  }

  await until('it is let go', () => {
    clock.forward(10_000)
    return hub.clients().total === 0
  })

  t.ok(most < BOUND, `${most} bytes waited`)
  client.response.resume()
  t.notOk(await client.ended(), 'not as if it had got all')
})

t.test('a client that reads, however seldom, stays', async t => {
  const clock = movableClock(t)
  const { url, append, sinks, hub } = await startHub(t, { heartbeatMs: 10 })
  const client = await openStream(t, url)
  await client.until(1)
  client.response.pause()
  while (!sinks[0]?.full) await append(500, KILOBYTE)

  for (let times = 0; times < 5; times += 1) {
    clock.forward(20_000)
    client.response.resume()
    const [id] = await append(1)
    await client.until(messages => messages.some(message => message.id === id))
    client.response.pause()
  }

  t.equal(hub.clients().total, 1)
})

t.test('events that retention takes from before a slow client are told as lost', async t => {
  const { pool, url, append, sinks, tailer } = await startHub(t)
  const client = await openStream(t, url)
  await client.until(1)
  client.response.pause()
  const ids: string[] = []
  while (!sinks[0]?.full) ids.push(...(await append(500, KILOBYTE)))
  await append(3_000, KILOBYTE)
  await pool.query(`select sluice.retain('feed', '0 s', 1000000)`)
  const kept = await append(10)
  tailer.wake('all')

  client.response.resume()
  await client.until(1, 'reset')
  const [next] = await append(1)
  await client.until(messages => messages.at(-1)?.id === next)

  const at = client.messages.findIndex(({ event }) => event === 'reset')
  const before = eventIds(client.messages.slice(0, at))
  t.equal(resets(client).length, 1)
  t.match(JSON.parse(resets(client)[0]?.data ?? ''), { reason: 'retention', head: kept.at(-1) })
  t.strictSame(before, ids.slice(0, before.length), 'without a hole up to there')
  t.strictSame(eventIds(client.messages.slice(at)), [next], 'and from the head after it')
})

t.test('a log that was cut while a client catches up is told once, not again and again', async t => {
  const { pool, url, append, hub, sinks, bus } = await startHub(t)
  bus.status = 'listening'
  await append(8_000, KILOBYTE)
  const lease = await hub.open('acme', 'feed')
  t.teardown(() => lease?.release())
  const client = await openStream(t, `${url}?from=beginning`)
  client.response.pause()
  await until('it is full', () => sinks[0]?.full === true)

  await pool.query('delete from sluice.events where "position" > 6000')
  client.response.resume()
  await client.until(1, 'reset')
  await until('the tailer knows too', () => lease?.stream.head.position === 6_000)
  const [next] = await append(1)
  await client.until(messages => messages.at(-1)?.id === next)

  t.equal(resets(client).length, 1)
  t.match(JSON.parse(resets(client)[0]?.data ?? ''), { reason: 'history-lost' })
  t.equal(client.messages.at(-1)?.event, 'thing.made')
})

t.test('a restart while a client is full is told before anything of the new history', async t => {
  const { pool, url, append, sinks, tailer } = await startHub(t)
  await append(1)
  const client = await openStream(t, url)
  await client.until(1)
  client.response.pause()
  while (!sinks[0]?.full) await append(500, KILOBYTE)
  await append(2_000, KILOBYTE)

  await pool.query('begin; delete from sluice.events where "position" > 1; commit')
  const renewed = await append(20)
  tailer.wake('all')
  client.response.resume()
  await client.until(1, 'reset')
  const [next] = await append(1)
  await client.until(messages => messages.at(-1)?.id === next)

  const messages = client.messages
  const at = messages.findIndex(({ event }) => event === 'reset')
  t.match(JSON.parse(messages[at]?.data ?? ''), { reason: 'history-lost', head: renewed.at(-1) })
  t.strictSame(
    messages.slice(at + 1).map(({ id }) => id),
    [next],
  )
})

t.test('a stream that is gone ends its clients, who may come back to a new one', async t => {
  const { pool, url, append } = await startHub(t)
  const client = await openStream(t, url)
  await append(1)
  await client.until(2)

  await pool.query('begin; delete from sluice.events; delete from sluice.streams; commit')
  t.ok(await client.ended())

  const again = await openStream(t, url)
  t.equal(again.response.statusCode, 200)
  const [id] = await append(1)
  await again.until(messages => messages.at(-1)?.id === id)
})

t.test('a filter holds while catching up, while live and after falling behind', async t => {
  const { url, append, sinks } = await startHub(t)
  await append(300, KILOBYTE, 'thing.kept')
  await append(300, KILOBYTE, 'other.made')
  const client = await openStream(t, `${url}?from=beginning&types=thing.*`)
  const wanted = () => client.messages.filter(({ event }) => event === 'thing.kept').length
  await until('the past', () => wanted() === 300)
  client.response.pause()
  let kept = 300
  while (!sinks[0]?.full) {
    await append(200, KILOBYTE, 'other.made')
    await append(200, KILOBYTE, 'thing.kept')
    kept += 200
  }
  await append(200, KILOBYTE, 'thing.kept')
  const skipped = await append(500, KILOBYTE, 'other.made')

  client.response.resume()
  await until('the rest', () => wanted() === kept + 200)
  await until('the cursor', () => client.text().includes(`id: ${skipped.at(-1)}\n\n`))

  t.strictSame([...new Set(client.messages.map(({ event }) => event))].sort(), ['server.state', 'thing.kept'])
})

t.test('a database that is away while a client catches up costs it nothing but time', async t => {
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
  const ids = await append(12_000, KILOBYTE)
  const client = await openStream(t, `${url}?from=beginning`)
  client.response.pause()
  await until('it is full', () => sinks[0]?.full === true)

  await unplug()
  client.response.resume()
  await until('it has what was read', () => sinks[0]?.pending === 0)
  await plugIn()

  await client.until(messages => messages.at(-1)?.id === ids.at(-1))
  t.strictSame(eventIds(client.messages), ids)
  t.equal((await pool.query('select count(*) from sluice.events')).rows[0].count, 12_000)
})

t.test('when its credentials end a client is told, and ended', async t => {
  const clock = movableClock(t)
  const { url } = await startHub(t, { heartbeatMs: 10 })
  const client = await openStream(t, `${url}?expires=${Date.now() + 60_000}`)
  await client.until(1, 'heartbeat')

  clock.forward(61_000)

  t.ok(await client.ended())
  t.match(client.messages.at(-1), { event: 'auth-expired', data: '{}' })
})

t.test('a stream that is old enough ends, and asks its client to come back', async t => {
  const clock = movableClock(t)
  const { url } = await startHub(t, { heartbeatMs: 10, maxAgeMs: 60_000 })
  const client = await openStream(t, url)
  await client.until(1, 'heartbeat')

  clock.forward(53_000)
  const { length } = client.messages
  await client.until(messages => messages.length > length + 1)
  clock.forward(14_000)

  t.ok(await client.ended())
  t.equal(client.retries.length, 2)
  t.notOk(client.messages.some(({ event }) => event === 'auth-expired'))
})

t.test('a client that leaves leaves nothing behind', async t => {
  const { url, append, hub } = await startHub(t)
  await append(5_000, KILOBYTE)
  const live = await openStream(t, url)
  const catching = await openStream(t, `${url}?from=beginning`)
  catching.response.pause()
  await until('both are there', () => hub.clients().total === 2)
  const lease = await hub.open('acme', 'feed')
  lease?.release()
  t.equal(lease?.stream.followers.size, 2)

  live.close()
  catching.close()

  await until('both are gone', () => hub.clients().total === 0)
  t.equal(lease?.stream.followers.size, 0)
  await append(1)
})

/** Lets clients read and rest by turns, at random, but the same in every run. */
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

function resets(client: EventStream): EventStream['messages'] {
  return client.messages.filter(({ event }) => event === 'reset')
}

function eventIds(messages: EventStream['messages']): (string | undefined)[] {
  return messages.filter(({ event }) => event === 'thing.made').map(({ id }) => id)
}
