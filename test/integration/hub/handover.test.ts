/**
 * Events that a writer of the same process hands to the tailer. Here the tailer never polls, so a wake that is swallowed leaves
 * a stream behind for ever.
 */
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { TailedStream } from '../../../src/hub/tailed-stream.js'
import { Tailer } from '../../../src/hub/tailer.js'
import type { Committed } from '../../../src/log/committed.js'
import type { StoredEvent } from '../../../src/log/event.js'
import { formatEventId } from '../../../src/log/event-id.js'
import type { Bounds, Head } from '../../../src/log/log.js'
import { Publisher } from '../../../src/log/publisher.js'
import { openStream } from '../../harness/event-stream.js'
import { observed, silent, startHub } from '../../harness/hub.js'
import { byNight } from '../../harness/nightly.js'
import { type Random, randomFrom } from '../../harness/random.js'
import { seedOfRun } from '../../harness/seed.js'
import { until } from '../../harness/until.js'
import { ModelLog, STREAM } from './model-log.js'

const SEEDS = byNight(150, 5_000)
const first = seedOfRun(0)
const BURSTS = 12
const EVENT = 'thing.made'

t.test(
  'events that continue the head arrive without a read, the first in the turn of its handover',
  async t => {
    const { log, tailer, stream, reads } = await start(t)

    tailer.take([log.change(0, [EVENT])])
    t.equal(stream.head.eventId, log.head.eventId)
    for (let n = 2; n <= 20; n += 1) tailer.take([log.change(0, Array(n).fill(EVENT))])

    await until('all of them', () => stream.received.length === 210)
    t.strictSame(stream.wrong, [])
    t.equal(reads(), 0)
  },
)

t.test('the events of a publisher in this process reach clients without a read of the log', async t => {
  let reads = 0
  const count = (name: string) => {
    if (name === 'sluice-read-tails') reads += 1
  }
  const { url, tailer, pool } = await startHub(t, { reading: database => observed(database, count) })
  tailer.poll.stop()
  const publisher = new Publisher({ database: pool, onCommitted: committed => tailer.take(committed) })
  t.teardown(() => publisher.close())
  const publish = async () => {
    const events = [{ type: EVENT, data: {} }]
    return (await publisher.publish({ workspace: 'acme', stream: 'feed', actor: 'ada', events })).events
  }
  const client = await openStream(t, url)
  await client.until(1)
  await publish()
  await client.until(1, EVENT)
  const before = reads

  for (let n = 0; n < 20; n += 1) await publish()
  await Promise.all(Array.from({ length: 100 }, publish))

  t.equal((await client.until(121, EVENT)).length, 121)
  t.equal(reads, before)
})

t.test('events that do not continue the head are read', async t => {
  const { log, tailer, stream, reads } = await start(t)
  const [one, two] = [log.change(0, [EVENT]), log.change(0, [EVENT])]

  tailer.take([two])
  t.equal(stream.received.length, 0)
  await until('both', () => stream.received.length === 2)
  tailer.take([one])
  tailer.take([{ ...log.change(0, [EVENT]), previous: null }])
  await until('the third', () => stream.received.length === 3)

  t.equal(reads(), 3, 'one for each that came late, out of order or without its predecessor')
  t.strictSame(stream.wrong, [])
})

const LOSSES: Readonly<Record<string, (log: ModelLog) => Committed>> = {
  'the log loses its tail, and the same positions are other events': log => {
    log.change(2, [EVENT, EVENT])
    return log.change(0, [EVENT])
  },
  'the log loses its tail, and the next event gets a position that was known': log => log.change(2, [EVENT]),
  'retention removes all that was known': log => {
    log.change(0, [EVENT, EVENT])
    log.retain(log.events.length)
    return log.change(0, [EVENT])
  },
}

for (const [name, change] of Object.entries(LOSSES)) {
  t.test(`${name}: a restart before anything else`, async t => {
    const { log, tailer, stream } = await start(t)
    tailer.take([log.change(0, [EVENT, EVENT, EVENT])])

    tailer.take([change(log)])
    await until('the restart', () => stream.restarts.length === 1)
    tailer.take([log.change(0, [EVENT])])

    await until('the head', () => stream.head.eventId === log.head.eventId)
    t.strictSame(stream.wrong, [])
    t.equal(stream.received.length, 4)
  })
}

t.test('events handed over during a read do not swallow those that the read has found', async t => {
  const { log, tailer, stream, hold } = await start(t)
  const held = hold()
  const mine = log.change(0, [EVENT])
  log.change(0, [EVENT])
  tailer.wake([STREAM])
  await held.asked

  tailer.take([mine])
  t.equal(stream.received.length, 1)
  held.answer()

  await until('the event of another process', () => stream.received.length === 2)
  t.strictSame(stream.wrong, [])
})

t.test(
  'while a delivery takes long, events are kept without a read, and those of other processes are read',
  async t => {
    const { log, tailer, stream, reads } = await start(t)
    const first = holdNextDelivery(stream)
    tailer.take([log.change(0, [EVENT])])

    for (let n = 0; n < 10; n += 1) tailer.take([log.change(0, [EVENT])])
    t.equal(stream.received.length, 1)
    first()
    await until('those that were kept', () => stream.received.length === 11)
    t.equal(reads(), 0)

    const second = holdNextDelivery(stream)
    tailer.take([log.change(0, [EVENT])])
    await until('the next delivery', () => stream.busy)
    const [own] = [log.change(0, [EVENT]), log.change(0, [EVENT])]
    tailer.wake([STREAM])
    tailer.take([own])
    second()
    await until('all of them', () => stream.received.length === 14)
    t.strictSame(stream.wrong, [])
  },
)

t.test('events beyond the limits of one delivery, and beyond those of a pause, are read', async t => {
  const { log, tailer, stream } = await start(t)
  tailer.take([log.change(0, Array(600).fill(EVENT))])
  await until('many at once', () => stream.received.length === 600)

  const done = holdNextDelivery(stream)
  tailer.take([log.change(0, [EVENT])])
  await until('the next delivery', () => stream.busy)
  for (let n = 0; n < 40; n += 1) tailer.take([log.change(0, Array(20).fill(EVENT))])
  done()

  await until('all of them', () => stream.received.length === 1_401)
  t.strictSame(stream.wrong, [])
})

t.test(
  `whatever the order of commits, responses, wakes and reads: every event, in order, once (SLUICE_SEED=${first})`,
  async t => {
    const wrong: string[] = []
    for (let seed = first; seed < first + SEEDS; seed += 1) wrong.push(...(await run(seed)))

    t.strictSame(wrong, [])
  },
)

/** Several writers of this process and of others, deliveries that take long, and losses of the tail. */
async function run(seed: number): Promise<string[]> {
  const random = randomFrom(seed)
  const { log, tailer, stream } = await startWith(random)
  stream.pause = () => (random.integer(3) === 0 ? turns(random, 5) : undefined)

  for (let burst = 0; burst < BURSTS; burst += 1) {
    const announcements: Promise<void>[] = []
    for (let n = random.integer(6) + 1; n > 0; n -= 1) {
      const lost = random.integer(8) === 0 ? random.integer(4) : 0
      const committed = log.change(lost, Array(random.integer(4) + 1).fill(EVENT))
      const ours = random.integer(3) > 0
      const announce = () => (ours ? tailer.take([committed]) : tailer.wake([STREAM]))
      announcements.push(turns(random, 8).then(announce))
      if (random.integer(2) === 0) await turn()
    }
    await Promise.all(announcements)
    await until(`the head, seed ${seed}`, () => stream.head.eventId === log.head.eventId)
  }
  await tailer.close()
  return stream.wrong.map(what => `seed ${seed}: ${what}`)
}

async function turns(random: Random, most: number): Promise<void> {
  for (let left = random.integer(most); left > 0; left -= 1) await turn()
}

async function start(t: Test) {
  const started = await startWith(randomFrom(1))
  t.teardown(() => started.tailer.close())
  return started
}

/** The caller closes the tailer: a test that starts thousands of them would keep all of them until its end. */
async function startWith(random: Random) {
  const log = new ModelLog()
  log.change(0, [EVENT])
  let reads = 0
  let held: Promise<void> | undefined
  let asked = () => {}
  const see = async (name: string) => {
    if (name !== 'sluice-read-tails') return
    reads += 1
  }
  const answered = async (name: string) => {
    if (name !== 'sluice-read-tails' || !held) return
    const wait = held
    held = undefined
    asked()
    await wait
  }
  const database = observed(log.database(random), see, answered)
  const tailer = new Tailer({ database, bus: { status: 'listening' }, logger: silent })
  const stream = recorder(log)
  tailer.follow(stream)
  await until('the first read', () => reads === 1)
  // Until its answer has been dealt with.
  for (let n = 0; n < 20; n += 1) await turn()
  return {
    log,
    tailer,
    stream,
    reads: () => reads - 1,
    /** Holds back the answer of the next read. */
    hold() {
      let answer = () => {}
      held = new Promise(resolve => {
        answer = resolve
      })
      const isAsked = new Promise<void>(resolve => {
        asked = resolve
      })
      return { asked: isAsked, answer: () => answer() }
    },
  }
}

/** Makes the next delivery last until the returned function is called. */
function holdNextDelivery(stream: ReturnType<typeof recorder>): () => void {
  let done = () => {}
  stream.pause = () => {
    stream.pause = undefined
    return new Promise(resolve => {
      done = resolve
    })
  }
  return () => done()
}

/** A stream that checks that each event continues its head by identity. */
function recorder(log: ModelLog) {
  const stream = {
    id: STREAM,
    head: log.head,
    kind: 'feed',
    liveClients: 0,
    received: [] as StoredEvent[],
    restarts: [] as string[],
    wrong: [] as string[],
    pause: undefined as (() => Promise<void> | undefined) | undefined,
    busy: false,
    receive(events: readonly StoredEvent[]): Promise<void> | undefined {
      if (stream.busy) stream.wrong.push('a delivery during another one')
      for (const event of events) {
        const known = log.known.get(formatEventId(event.position, event.eventId))
        if (known?.before?.eventId !== stream.head.eventId)
          stream.wrong.push(`${event.position} after ${stream.head.position}`)
        stream.head = event
        stream.received.push(event)
      }
      const pause = stream.pause?.()
      stream.busy = pause !== undefined
      return pause?.then(() => {
        stream.busy = false
      })
    },
    restart(why: string, bounds: Bounds) {
      stream.restarts.push(why)
      stream.head = bounds.head as Head
    },
    onDeleted() {
      stream.wrong.push('it was deleted')
    },
  }
  return stream satisfies TailedStream
}
