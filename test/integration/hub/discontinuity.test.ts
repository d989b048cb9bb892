import t from 'tap'
import { type EventStream, openStream } from '../../harness/event-stream.js'
import { observed, replaceTail, startHub } from '../../harness/hub.js'
import { until } from '../../harness/until.js'

/** A few thousand of these are more than any kernel buffers. */
const PAGE_OF_TEXT = `{"n":$n,"x":"${'x'.repeat(4_000)}"}`

t.test('a slow client gets reset when retention removes events that it has not got yet', async t => {
  const { pool, url, append, hub, sinks, tailer } = await startHub(t)
  const handle = await hub.open('acme', 'feed')
  t.teardown(() => handle?.release())
  const client = await openStream(t, url)
  await client.until(1)
  client.response.pause()
  const ids: string[] = []
  while (!sinks[0]?.full) ids.push(...(await append(200, PAGE_OF_TEXT)))
  ids.push(...(await append(800, PAGE_OF_TEXT)))
  await until('the tailer has them', () => handle?.stream.head.position === ids.length)
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
  t.strictSame(before, ids.slice(0, before.length), 'without a gap up to there')
  t.strictSame(eventIds(client.messages.slice(at)), [next], 'and from the head after it')
})

t.test('a slow client gets one reset when retention overtakes both it and the tailer', async t => {
  let letGo: (() => void) | undefined
  let held: Promise<void> | undefined
  const { pool, url, append, sinks, hub } = await startHub(t, {
    reading: database =>
      observed(
        database,
        name => name === 'sluice-read-tails' && held,
        name => name === 'sluice-read-place' && letGo?.(),
      ),
  })
  const handle = await hub.open('acme', 'feed')
  t.teardown(() => handle?.release())
  const client = await openStream(t, url)
  await client.until(1)
  client.response.pause()
  let stored = 0
  while (!sinks[0]?.full) stored += (await append(200, PAGE_OF_TEXT)).length
  // More than the recent frames hold, so the client has to read the log.
  stored += (await append(800, PAGE_OF_TEXT)).length
  await until('the tailer has them', () => handle?.stream.head.position === stored)
  held = new Promise(resolve => {
    letGo = resolve
  })
  await append(10)
  await pool.query(`select sluice.retain('feed', '0 s', 1000000)`)
  const kept = await append(10)

  client.response.resume()
  await client.until(1, 'reset')
  const [next] = await append(1)
  await client.until(messages => messages.at(-1)?.id === next)

  t.equal(resets(client).length, 1)
  t.match(JSON.parse(resets(client)[0]?.data ?? ''), { reason: 'retention', head: kept.at(-1) })
})

for (const [cut, told] of [
  [2_990, false],
  [10, true],
] as const) {
  t.test(
    `a client far from the head is${told ? '' : ' not'} told of a log that was cut at ${cut}`,
    async t => {
      const { pool, url, append, hub, sinks, bus } = await startHub(t)
      bus.status = 'listening'
      const ids = await append(3_000, PAGE_OF_TEXT)
      const handle = await hub.open('acme', 'feed')
      t.teardown(() => handle?.release())
      const client = await openStream(t, `${url}?from=beginning`)
      client.response.pause()
      await until('it is full', () => sinks[0]?.full === true)

      await pool.query('delete from sluice.events where "position" > $1', [cut])
      client.response.resume()
      await until('the tailer knows too', () => handle?.stream.head.position === cut)
      const [next] = await append(1)
      await client.until(messages => messages.at(-1)?.id === next)

      const got = eventIds(client.messages)
      t.strictSame(got, [...ids.slice(0, told ? got.length - 1 : cut), next])
      t.match(
        resets(client).map(({ data }) => JSON.parse(data)),
        told ? [{ reason: 'history-lost' }] : [],
      )
      t.equal(resets(client).length, told ? 1 : 0)
    },
  )
}

t.test('a client whose sink is full gets the reset before any event of the new history', async t => {
  const { pool, url, append, sinks, tailer } = await startHub(t)
  await append(1)
  const client = await openStream(t, url)
  await client.until(1)
  client.response.pause()
  while (!sinks[0]?.full) await append(200, PAGE_OF_TEXT)
  await append(600, PAGE_OF_TEXT)

  const { ids: renewed } = await replaceTail(pool, 1, 20)
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

t.test('a restart in the middle of a page ends the page', async t => {
  const { pool, url, append, sinks, hub, tailer } = await startHub(t)
  await append(3_000, PAGE_OF_TEXT)
  const handle = await hub.open('acme', 'feed')
  t.teardown(() => handle?.release())
  const clients = await Promise.all(
    [0, 70, 140, 210].map(async n => {
      const client = await openStream(t, `${url}?from=${n}`)
      // At once: while the others open, it would read all there is.
      client.response.pause()
      return client
    }),
  )
  while (!sinks.every(({ full }) => full)) await append(200, PAGE_OF_TEXT)

  const { ids: renewed } = await replaceTail(pool, 1, 20)
  tailer.wake('all')
  await until('the restart', () => handle?.stream.head.position === 21)
  for (const { response } of clients) response.resume()

  for (const client of clients) {
    await client.until(1, 'reset')
    const at = client.messages.findIndex(({ event }) => event === 'reset')
    const [next] = await append(1)
    renewed.push(...[next].flatMap(id => id ?? []))
    await client.until(messages => messages.at(-1)?.id === next)
    const from = renewed.indexOf(client.messages[at]?.id ?? '')
    t.ok(from >= 19, 'it goes on at the head of the new log')
    t.strictSame(eventIds(client.messages.slice(at)), renewed.slice(from + 1))
  }
})

t.test('a page that was read before a restart is not sent after it', async t => {
  let release: (() => void) | undefined
  const hold = async (name: string) => {
    if (name !== 'sluice-read-page' || release) return
    await new Promise<void>(resolve => {
      release = resolve
    })
  }
  const { pool, url, append, tailer, hub } = await startHub(t, {
    reading: database => observed(database, () => {}, hold),
  })
  const [first] = await append(100)
  const handle = await hub.open('acme', 'feed')
  t.teardown(() => handle?.release())
  const client = await openStream(t, `${url}?from=beginning`)
  await until('the page', () => release !== undefined)

  const { ids: renewed } = await replaceTail(pool, 1, 20)
  tailer.wake('all')
  await until('the restart', () => handle?.stream.head.position === 21)
  release?.()
  await client.until(messages => messages.at(-1)?.id === renewed.at(-1))

  t.strictSame(eventIds(client.messages), [first, ...renewed])
  t.strictSame(resets(client), [], 'it had got nothing that was lost')
})

t.test('the subscriptions of a deleted stream end, and their clients may come back to a new one', async t => {
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

function resets(client: EventStream): EventStream['messages'] {
  return client.messages.filter(({ event }) => event === 'reset')
}

function eventIds(messages: EventStream['messages']): (string | undefined)[] {
  return messages.filter(({ event }) => event === 'thing.made').map(({ id }) => id)
}
