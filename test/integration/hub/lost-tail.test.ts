/** Cursors of another history than the one that a process knows: the log itself decides about each. */
import t from 'tap'
import { openStream } from '../../harness/event-stream.js'
import { appendEvents, replaceTail, startHub } from '../../harness/hub.js'
import { until } from '../../harness/until.js'

t.test('a process accepts an id of the new history before it knows that history', async t => {
  const { url, append, pool, bus, hub } = await startHub(t)
  await append(6)
  const handle = await hub.open('acme', 'feed')
  t.teardown(() => handle?.release())
  await until('the tailer has them', () => handle?.stream.head.position === 6)
  bus.status = 'listening'
  const { ids } = await replaceTail(pool, 4, 3)

  const client = await openStream(t, `${url}?from=${ids[1]}`)
  await client.until(messages => messages.at(-1)?.id === ids[2])

  t.match(client.messages, [{ event: 'server.state', id: ids[1] }, { id: ids[2] }])
  t.equal(client.messages.length, 2)
})

t.test(
  'a client that is ahead of this process gets reset, although the process has lost nothing',
  async t => {
    const { url, append, pool, bus, hub } = await startHub(t)
    await append(4)
    const handle = await hub.open('acme', 'feed')
    t.teardown(() => handle?.release())
    await until('the tailer has them', () => handle?.stream.head.position === 4)
    bus.status = 'listening'
    const { ids: ahead } = await appendEvents(pool, 4)
    const client = await openStream(t, `${url}?from=${ahead.at(-1)}`)
    await client.until(1)

    const { ids } = await replaceTail(pool, 4, 2)
    await client.until(1, 'reset')
    const [next] = await append(1)
    await client.until(messages => messages.at(-1)?.id === next)

    t.match(client.messages.slice(1), [{ event: 'reset', id: ids.at(-1) }, { id: next }])
    t.equal(client.messages.length, 3)
  },
)

t.test('the same position with another event is not the cursor', async t => {
  const { url, append, pool, bus, hub } = await startHub(t)
  await append(4)
  const handle = await hub.open('acme', 'feed')
  t.teardown(() => handle?.release())
  await until('the tailer has them', () => handle?.stream.head.position === 4)
  bus.status = 'listening'
  const { ids: ahead } = await appendEvents(pool, 2)
  const client = await openStream(t, `${url}?from=${ahead.at(-1)}`)
  await client.until(1)

  // The new tail is as long, so this process finds position 6, which the client has, and has lost nothing that it has seen.
  const { ids } = await replaceTail(pool, 4, 2)
  const [next] = await append(1)
  await client.until(1, 'reset')

  t.match(client.messages[1]?.id, new RegExp(`^(${ids.at(-1)}|${next})$`))
})

t.test(
  'a client of NDJSON that catches up keeps its place when only events are lost that its filter hides',
  async t => {
    const { url, append, pool, tailer } = await startHub(t)
    const [first] = await append(1, '{}', 'wanted')
    await append(5)
    const client = await openStream(t, `${url}?from=beginning&types=wanted&encoding=ndjson`)
    await until('it has its event', () => client.text().includes(`"id":"${first}"`))
    const before = client.text()

    await replaceTail(pool, 4, 3)
    tailer.wake('all')
    const [next] = await append(1, '{}', 'wanted')
    await until('it has the next one', () => client.text().includes(`"id":"${next}"`))

    t.match(
      client.text().slice(before.length),
      new RegExp(`^\\{"id":"${next}","position":8,"type":"wanted"[^\\n]*\\n$`),
    )
  },
)

for (const base of [0, 4]) {
  t.test(`a log that is cut down to its base at ${base} goes on from there`, async t => {
    const { url, append, pool, tailer } = await startHub(t)
    const ids = await append(base + 2)
    if (base > 0) await pool.query(`select sluice.retain('feed', '0 s', $1)`, [base])
    const client = await openStream(t, `${url}?from=beginning`)
    await client.until(messages => messages.at(-1)?.id === ids.at(-1))
    const first = client.messages[0]?.id

    await pool.query('delete from sluice.events')
    tailer.wake('all')
    await client.until(1, 'reset')
    const atBase = await openStream(t, `${url}?from=${first}`)
    await atBase.until(1)
    const [next] = await append(1)
    for (const each of [client, atBase]) await each.until(messages => messages.at(-1)?.id === next)

    t.match(client.messages.at(-2), { event: 'reset', id: first })
    t.match(atBase.messages, [{ event: 'server.state', id: first }, { id: next }])
    t.equal(Number.parseInt(next ?? '', 10), base + 1)
  })
}
