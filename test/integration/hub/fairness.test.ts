import t, { type Test } from 'tap'
import { createPool, type Database } from '../../../src/database/pool.js'
import type { Member } from '../../../src/hub/fan-out-group.js'
import { HubStream } from '../../../src/hub/hub-stream.js'
import { HubTally } from '../../../src/hub/hub-tally.js'
import { Pacing } from '../../../src/hub/scheduling/pacing.js'
import type { TailedStream } from '../../../src/hub/tailed-stream.js'
import { Tailer } from '../../../src/hub/tailer.js'
import type { Position, StoredEvent, StreamId } from '../../../src/log/event.js'
import { type Head, readHead } from '../../../src/log/log.js'
import { sse } from '../../../src/sse/encoding.js'
import { createDatabase } from '../../harness/database.js'
import { countTurns, spin } from '../../harness/event-loop.js'
import { type EventStream, openStream } from '../../harness/event-stream.js'
import { silent, startHub } from '../../harness/hub.js'
import { randomFrom } from '../../harness/random.js'
import { until } from '../../harness/until.js'

/** The most that the tailer reads of one stream in one turn. */
const PAGE_EVENTS = 500
const PAGE_BYTES = 1024 * 1024
const OUTPUT_BYTES = 50 * PAGE_BYTES
const LINE_BYTES = 200_000
/** So many slow members that a delivery takes many turns of the event loop. */
const MEMBERS = 200

t.test('an event waits for at most one page of a stream with 10,000 events', async t => {
  const { pool, tailer } = await start(t)
  const busy = await follow(pool, tailer, 'busy')
  const quiet = await follow(pool, tailer, 'quiet')
  let before: number | undefined
  quiet.heard = () => {
    before ??= busy.events
  }

  await append(pool, 'busy', 10_000)
  await append(pool, 'quiet', 1)
  tailer.wake([busy.id, quiet.id])

  await until('its event', () => before !== undefined)
  t.ok((before ?? 0) <= PAGE_EVENTS, `${before} events came before it`)
  await until('all others', () => busy.events === 10_000)
})

t.test('an event that comes while the 10,000 are read waits for at most one page too', async t => {
  const { pool, tailer } = await start(t)
  const busy = await follow(pool, tailer, 'busy')
  const quiet = await follow(pool, tailer, 'quiet')
  let woken = Number.NaN
  let before: number | undefined
  quiet.heard = () => {
    before ??= busy.events - woken
  }

  await append(pool, 'busy', 10_000)
  busy.heard = () => {
    busy.heard = () => {}
    void append(pool, 'quiet', 1).then(() => {
      woken = busy.events
      tailer.wake([quiet.id])
    })
  }
  tailer.wake([busy.id])

  await until('its event', () => before !== undefined)
  t.ok((before ?? 0) <= PAGE_EVENTS, `${before} events came between its wake and itself`)
  await until('all others', () => busy.events === 10_000)
})

t.test('an event waits for at most one megabyte of a job with 50 MB of output', async t => {
  const { pool, tailer } = await start(t)
  const job = await follow(pool, tailer, 'job:noisy')
  const quiet = await follow(pool, tailer, 'quiet')
  let before: number | undefined
  quiet.heard = () => {
    before ??= job.bytes
  }

  const line = `{"text":"${'x'.repeat(LINE_BYTES)}"}`
  await append(pool, 'job:noisy', Math.ceil(OUTPUT_BYTES / LINE_BYTES), line)
  await append(pool, 'quiet', 1)
  tailer.wake([job.id, quiet.id])

  await until('its event', () => before !== undefined)
  t.ok((before ?? 0) <= PAGE_BYTES, `${before} bytes came before it`)
  await until('all of the output', () => job.bytes >= OUTPUT_BYTES)
})

t.test('an event does not wait until all clients of another stream are served', async t => {
  const { pool, tailer } = await start(t)
  const busy = await hubStream(pool, tailer, 'busy')
  const quiet = await hubStream(pool, tailer, 'quiet')
  // Then no read is under way, and the next read finds both events.
  for (const name of ['busy', 'quiet']) await append(pool, name, 1)
  tailer.wake([busy.id, quiet.id])
  await until('the first of each', () => busy.head.position === 1 && quiet.head.position === 1)
  const members = Array.from({ length: MEMBERS }, () => slowMember(busy))
  let before: number | undefined
  quiet.join(
    {
      receive: () => {
        before ??= served(members)
      },
    },
    sse,
    undefined,
  )

  await append(pool, 'busy', 1)
  await append(pool, 'quiet', 1)
  tailer.wake([busy.id, quiet.id])

  await until('its event', () => before !== undefined)
  t.ok((before ?? MEMBERS) < MEMBERS / 2, `${before} of ${MEMBERS} others were served before`)
  await until('theirs', () => served(members) === MEMBERS)
})

t.test(
  'a stream gets nothing new before its clients have been served, and other streams do not wait for that',
  async t => {
    const { pool, tailer } = await start(t)
    const busy = await follow(pool, tailer, 'busy')
    const quiet = await follow(pool, tailer, 'quiet')
    let serve = () => {}
    busy.served = new Promise(resolve => {
      serve = resolve
    })

    for (let n = 1; n <= 3; n += 1) {
      await append(pool, 'busy', 1)
      await append(pool, 'quiet', 1)
      tailer.wake([busy.id, quiet.id])
      await until('the event of the other', () => quiet.events === n)
    }
    t.equal(busy.events, 1)
    serve()

    await until('all of them', () => busy.events === 3)
  },
)

t.test('no client of a stream misses an event when each delivery takes many turns', async t => {
  const { pool, tailer } = await start(t)
  const busy = await hubStream(pool, tailer, 'busy')
  const members = Array.from({ length: MEMBERS }, () => slowMember(busy))

  for (let n = 0; n < 5; n += 1) {
    await append(pool, 'busy', 1)
    tailer.wake([busy.id])
  }

  await until('the last event', () => members.every(({ upTo }) => upTo === 5))
  t.ok(members.every(({ gaps }) => gaps === 0))
})

t.test('a delivery ends when the stream is restarted', async t => {
  const stream = new HubStream({
    id: 1 as StreamId,
    kind: 'feed',
    closed: false,
    head: at(0),
    pacing: new Pacing(),
    tally: new HubTally(),
    compareHead: () => {},
  })
  const members = Array.from({ length: MEMBERS }, () => slowMember(stream))

  const delivery = stream.receive([event(1)])
  const early = served(members)
  stream.restart('history-lost', { base: at(0), head: at(0) })
  await delivery

  t.ok(early < MEMBERS, 'it takes more than one turn')
  t.ok(served(members) <= early + 1, `${served(members) - early} got an event of the lost history`)
})

t.test('clients that join, fall behind or leave during a long delivery get each event once', async t => {
  const { url, append: publish, sinks } = await startHub(t)
  const random = randomFrom(1)
  const clients: EventStream[] = []
  const come = async () => {
    clients.push(await openStream(t, url))
    const sink = sinks.at(-1)
    if (!sink) return
    const { write } = sink
    sink.write = payload => {
      spin(1)
      write.call(sink, payload)
    }
    Object.defineProperty(sink, 'full', { get: () => random.integer(4) === 0 })
  }
  for (let n = 0; n < 40; n += 1) await come()

  const ids: string[] = []
  for (let batch = 0; batch < 20; batch += 1) {
    ids.push(...(await publish(3)))
    await come()
    clients.splice(random.integer(clients.length), 1)[0]?.close()
  }
  ids.push(...(await publish(1)))

  for (const client of clients) {
    await client.until(messages => messages.at(-1)?.id === ids.at(-1))
    const got = client.messages.flatMap(({ event, id }) => (event === 'thing.made' && id ? [id] : []))
    t.strictSame(got, ids.slice(ids.length - got.length))
  }
})

t.test(
  'twenty catching-up subscribers together take no more of a turn of the event loop than one',
  async t => {
    const loop = countTurns(t)
    const written = new Map<number, number>()
    const hub = await startHub(t, {
      subscribed() {
        const sink = hub.sinks.at(-1)
        if (!sink) return
        const { write } = sink
        sink.write = payload => {
          spin(2)
          written.set(loop.turns, (written.get(loop.turns) ?? 0) + payload.bytes.length)
          write.call(sink, payload)
        }
      },
    })
    const ids = await hub.append(1_000, `{"n":$n,"x":"${'x'.repeat(1_000)}"}`)

    const open = () => openStream(t, `${hub.url}?from=beginning`)
    const clients = await Promise.all(Array.from({ length: 20 }, open))

    for (const client of clients) await client.until(messages => messages.at(-1)?.id === ids.at(-1))
    const most = Math.max(...written.values())
    t.ok(most <= PAGE_BYTES, `${most} bytes in one turn`)
  },
)

async function start(t: Test) {
  const { pool, url } = await createDatabase(t)
  const database = createPool(url, { max: 2, name: 'read', onError: () => {} })
  const tailer = new Tailer({ database, bus: { status: 'listening' }, logger: silent })
  t.teardown(async () => {
    await tailer.close()
    await database.end()
  })
  return { pool, tailer }
}

async function open(pool: Database, name: string): Promise<StreamId> {
  const { rows } = await pool.query(
    `insert into sluice.streams (workspace, name, kind) values ('acme', $1, 'feed') returning id`,
    [name],
  )
  return rows[0].id
}

/** Follows a stream, and counts its events. */
async function follow(pool: Database, tailer: Tailer, name: string) {
  const id = await open(pool, name)
  const stream = {
    id,
    head: await readHead(pool, id),
    kind: 'feed',
    liveClients: 0,
    events: 0,
    bytes: 0,
    heard: () => {},
    served: undefined as Promise<void> | undefined,
    receive(events: readonly StoredEvent[]) {
      stream.heard()
      stream.head = events.at(-1) ?? stream.head
      stream.events += events.length
      for (const { data } of events) stream.bytes += data.length
      return stream.served
    },
    restart: () => t.fail('a restart'),
    onDeleted: () => t.fail('an end'),
  }
  tailer.follow(stream satisfies TailedStream)
  return stream
}

async function hubStream(pool: Database, tailer: Tailer, name: string): Promise<HubStream> {
  const id = await open(pool, name)
  const stream = new HubStream({
    id,
    kind: 'feed',
    closed: false,
    head: await readHead(pool, id),
    pacing: tailer.pacing,
    tally: new HubTally(),
    compareHead: () => {},
  })
  tailer.follow(stream)
  return stream
}

/** A live member that takes a millisecond for each event. */
function slowMember(stream: HubStream) {
  const member = { events: 0, upTo: stream.head.position, gaps: 0 }
  const receive: Member['receive'] = (_, after, upTo) => {
    spin(1)
    if (after.position !== member.upTo) member.gaps += 1
    member.events += 1
    member.upTo = upTo.position
  }
  stream.join({ receive }, sse, undefined)
  return member
}

function served(members: readonly { events: number }[]): number {
  return members.filter(({ events }) => events > 0).length
}

/** Bypasses the public functions, which refuse to write to the stream of a job. */
async function append(pool: Database, name: string, count: number, data = '{}'): Promise<void> {
  await pool.query(
    `select sluice.append_locked(
              array_fill(s.id, array[$2::int]), array_fill('thing.made'::text, array[$2::int]),
              array_fill($3::json, array[$2::int]), array_fill('test'::text, array[$2::int]))
       from sluice.streams s where s.name = $1`,
    [name, count, data],
  )
}

function at(position: number): Head {
  return { position: position as Position, eventId: '0b7d2a8c-6f0e-4a53-9d57-2f5ad3c1e6a4' }
}

function event(position: number): StoredEvent {
  return { ...at(position), type: 'thing.made', data: '{}', at: new Date() } as StoredEvent
}
