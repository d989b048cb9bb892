/** Stored events that are changed in the log, as redaction does, while this process has them in memory. Nothing is woken here. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import { type Database, inTransaction } from '../../../src/database/pool.js'
import { ChangedEvents } from '../../../src/hub/changed-events.js'
import { followEvents } from '../../../src/hub/follow-events.js'
import type { Position, StreamId } from '../../../src/log/event.js'
import { readEvent } from '../../../src/log/log.js'
import { type EventStream, openStream } from '../../harness/event-stream.js'
import { appendEvents, observed, silent, startHub, type TestHubOptions } from '../../harness/hub.js'
import { until } from '../../harness/until.js'

const SECRET = 'secret-$n-'
const DATA = `{"x":"${SECRET}"}`
const PAGE_OF_TEXT = `{"x":"${SECRET}${'x'.repeat(4_000)}"}`

t.test(
  'clients that catch up after a change get the changed event, from recent frames and from pages',
  async t => {
    const { url, append, change, applied } = await start(t)
    const ids = await append(600, DATA)
    const live = await openStream(t, url)
    await (await openStream(t, `${url}?from=beginning`)).until(ends(ids.at(-1)))

    await change(3, 300, 599, 600)
    await applied()

    const texts = await Promise.all(
      ['beginning', ids[297], ids[597]].map(async from => {
        const client = await openStream(t, `${url}?from=${from}`)
        await client.until(ends(ids.at(-1)))
        return secretsIn(client)
      }),
    )
    t.strictSame(
      texts.map(({ length }) => length),
      [596, 299, 0],
    )
    t.notOk(texts.flat().some(n => [3, 300, 599, 600].includes(n)))
    const [next] = await append(1, DATA)
    await live.until(ends(next))
    t.strictSame(secretsIn(live), [1], 'the live client continues')
  },
)

for (const count of [3, 1_500]) {
  t.test(
    `a page of ${count} events that was read before a change and arrives after it is neither written nor kept`,
    async t => {
      let hold = Promise.resolve()
      const reads: string[] = []
      const { url, append, change, applied } = await start(t, {
        reading: database =>
          observed(
            database,
            () => {},
            async name => {
              if (name !== 'sluice-read-page') return
              reads.push(name)
              await hold
            },
          ),
      })
      const ids = await append(count, DATA)
      const held = heldBack()
      hold = held.promise
      const client = await openStream(t, `${url}?from=beginning`)
      await until('the read', () => reads.length > 0)

      await change(2)
      await applied()
      held.resolve()
      await client.until(ends(ids.at(-1)))

      t.notOk(secretsIn(client).includes(2))
      t.equal(secretsIn(client).length, count - 1)
      const second = await openStream(t, `${url}?from=beginning`)
      await second.until(ends(ids.at(-1)))
      t.notOk(secretsIn(second).includes(2))
    },
  )
}

t.test('a client that reads slowly gets no changed event from the page that it is reading', async t => {
  const { url, append, change, applied, sinks } = await start(t)
  const ids = await append(1_500, PAGE_OF_TEXT)
  const client = await openStream(t, `${url}?from=beginning`)
  client.response.pause()
  await until('backpressure', () => sinks[0]?.full === true)
  const [written = 0] = secretsIn(client).slice(-1)

  const positions = Array.from({ length: 1_500 - written }, (_, n) => written + n + 1)
  await change(...positions)
  await applied()
  client.response.resume()
  await client.until(ends(ids.at(-1)))

  // The kernel's buffers have some.
  t.ok(secretsIn(client).length < 1_400, `${secretsIn(client).length} events were written before`)
})

t.test('events that their writer hands over after the change are read instead', async t => {
  const { url, append, change, applied, pool, tailer, hub } = await start(t)
  await append(1, DATA)
  const client = await openStream(t, url)
  const { stream, release } = (await hub.open('acme', 'feed')) ?? {}
  tailer.poll.stop()
  // The answer to a COMMIT is late, and no wake has brought its event. A read of an earlier wake may still bring the first one.
  for (let position = 2 as Position; ; position = (position + 1) as Position) {
    const { streamId } = await appendEvents(pool, 1, DATA)
    const late = await readEvent(pool, streamId, position)
    if (!late || !stream) throw new Error('There is no event, or no stream.')
    await change(position)
    tailer.wake([await changesOf(pool)])
    await applied()
    if (stream.head.position >= position) continue

    tailer.take([{ streamId, previous: stream.head.eventId ?? null, events: [late] }])

    await client.until(ends(`${position}.`))
    const brought = client.messages.find(({ id }) => id?.startsWith(`${position}.`))
    t.notMatch(brought?.data, 'secret')
    break
  }
  release?.()
})

t.test('events that are kept while their stream is paused are read instead', async t => {
  const { append, change, applied, pool, tailer, hub } = await start(t)
  await append(1, DATA)
  const { stream, release } = (await hub.open('acme', 'feed')) ?? {}
  if (!stream) throw new Error('There is no stream.')
  await until('the first event', () => stream.head.position === 1)
  tailer.poll.stop()
  const held = heldBack()
  const delivery = { id: stream.id, clients: 0, characters: 0, isBehind: false }
  const delivering = tailer.pacing.deliver(delivery, () => held.promise)
  const { streamId } = await appendEvents(pool, 1, DATA)
  const kept = await readEvent(pool, streamId, 2 as Position)
  if (!kept) throw new Error('There is no event.')
  tailer.take([{ streamId, previous: stream.head.eventId, events: [kept] }])

  await change(2)
  tailer.wake([await changesOf(pool)])
  await applied()
  held.resolve()
  await delivering

  await until('the second event', () => stream.head.position === 2)
  t.equal(stream.recent.at(2 as Position)?.event.data, CHANGED)
  release?.()
})

t.test('code that follows a stream gets no changed event from the page that it holds', async t => {
  const { append, change, applied, pool, hub } = await start(t)
  await append(10, DATA)
  const events = followEvents({ hub, database: pool }, { workspace: 'acme', after: 'beginning' })
  await events.next()

  await change(5)
  await applied()

  const seen: unknown[] = []
  for await (const event of events) {
    seen.push(event)
    if (seen.length === 9) break
  }
  t.match(
    seen,
    [2, 3, 4, 5, 6, 7, 8, 9, 10].map(position => ({ position })),
  )
  t.match(seen[3], { data: { redacted: true } })
})

t.test('no event stays in memory as a head or a cursor', async t => {
  const { url, append, change, applied, hub } = await start(t)
  const client = await openStream(t, url)
  const ids = await append(3, DATA)
  await client.until(ends(ids[2]))

  await change(3)
  await applied()

  const { stream, release } = (await hub.open('acme', 'feed')) ?? {}
  t.strictSame(Object.keys(stream?.head ?? {}), ['position', 'eventId'])
  for (const follower of stream?.followers ?? []) {
    t.equal('cursor' in follower && follower.cursor, stream?.head, 'one object for all live clients')
  }
  release?.()
})

t.test(
  'nothing in memory refers to a changed event any more, not even an idle client that has received it',
  async t => {
    const { url, append, change, applied, hub } = await start(t)
    const client = await openStream(t, url)
    const ids = await append(3, DATA)
    await client.until(ends(ids[2]))
    const { stream, release } = (await hub.open('acme', 'feed')) ?? {}
    const seen = [1, 2, 3].map(
      position => new WeakRef(Object(stream?.recent.at(position as Position)?.event)),
    )
    t.match(
      seen.map(event => event.deref()?.data),
      Array(3).fill(/secret/),
    )

    await change(3)
    await applied()

    setFlagsFromString('--expose-gc')
    const collect: () => void = runInNewContext('gc')
    await until('the events are collected', () => {
      collect()
      return seen.every(event => event.deref() === undefined)
    })
    const [next] = await append(1, DATA)
    await client.until(ends(next))
    release?.()
  },
)

t.test('a process that may have missed a change drops everything, and else nothing', async t => {
  const { url, append, change, applied, changes, pool, hub } = await start(t)
  const ids = await append(300, DATA)
  await (await openStream(t, `${url}?from=beginning`)).until(ends(ids.at(-1)))
  await change(300)
  await applied()
  const { stream, release } = (await hub.open('acme', 'feed')) ?? {}
  await append(2, DATA)
  await until('the events', () => stream?.head.position === 302)
  const { edition } = stream ?? {}

  changes.close()
  await changes.start()
  t.equal(stream?.edition, edition, 'nothing was missed')
  changes.close()
  await change(301)
  await pool.query(`delete from sluice.events e using sluice.streams s
    where e.stream_id = s.id and s.workspace = '$system'`)
  await changes.start()

  t.not(stream?.edition, edition)
  const client = await openStream(t, `${url}?from=${ids[298]}`)
  await client.until(ends('302.'))
  t.strictSame(secretsIn(client), [2])
  release?.()
})

const CHANGED = '{"redacted":true}'

async function start(t: Test, options?: TestHubOptions) {
  const started = await startHub(t, options)
  const { pool, tailer, hub } = started
  let seen = 0
  let made = 0
  const pages = {
    forget(stream: StreamId | 'all') {
      if (stream !== 'all') seen += 1
      hub.starts.pages.forget(stream)
    },
  }
  const changes = new ChangedEvents({ database: pool, tailer, pages, logger: silent, onCommitted: () => {} })
  t.teardown(() => changes.close())
  await changes.start()
  return {
    ...started,
    changes,
    /** Changes events of the feed. */
    async change(...positions: number[]) {
      await inTransaction(pool, async client => {
        const { rows } = await client.query<{ id: StreamId }>(
          `select s.id from sluice.streams s where s.workspace = 'acme' and s.name = 'feed'`,
        )
        const values = [rows[0]?.id, positions]
        await client.query(
          `update sluice.events set data = '${CHANGED}' where stream_id = $1 and position = any ($2)`,
          values,
        )
        await client.query(
          'select sluice.announce_changes($1, (select max(p) from unnest($2::bigint[]) p))',
          values,
        )
      })
      made += 1
    },
    /** Resolves when this process knows all changes. */
    applied: () => until('the change', () => seen === made),
  }
}

function heldBack() {
  let resolve = () => {}
  const promise = new Promise<void>(done => {
    resolve = done
  })
  return { promise, resolve: () => resolve() }
}

async function changesOf(pool: Database): Promise<StreamId> {
  const { rows } = await pool.query<{ id: StreamId }>(
    `select id from sluice.streams where workspace = '$system' and name = 'changed-events'`,
  )
  if (!rows[0]) throw new Error('There is no such stream.')
  return rows[0].id
}

/** The numbers of the events that came with their first data. */
function secretsIn({ text }: EventStream): number[] {
  return [...text().matchAll(/secret-(\d+)-/g)].map(([, n]) => Number(n))
}

function ends(id = 'none') {
  return (messages: readonly { id?: string | undefined }[]) =>
    messages.some(message => message.id?.startsWith(id))
}
