/** Messages of the bus: what is written is read again, byte for byte, and nothing else is ever taken for events. */
import t from 'tap'
import { MessageKey } from '../../../src/bus/message-key.js'
import { formatMessages } from '../../../src/bus/message-writer.js'
import { MAX_AGE_MS, MAX_MESSAGE_BYTES, parseMessage } from '../../../src/bus/wake-message.js'
import type { Committed } from '../../../src/log/committed.js'
import type { Position, StoredEvent, StreamId } from '../../../src/log/event.js'
import { byNight } from '../../harness/nightly.js'
import { type Random, randomFrom } from '../../harness/random.js'
import { seedOfRun } from '../../harness/seed.js'

const SEEDS = byNight(60, 20_000)
const first = seedOfRun(0)
const AT = 1_770_000_000_000
const SECRET = 'a secret of the bus with many characters'
const HERE = { self: 'here', history: '7300-5.1', key: new MessageKey([SECRET]), at: AT }
const THERE = { ...HERE, self: 'there' }
const FEW: Committed = {
  streamId: 7 as StreamId,
  way: 'http',
  previous: uuid(9),
  events: eventsOf(randomFrom(3), 3, 100),
}

t.test(
  `whatever is announced arrives unchanged, in order, in messages of at most 64 KiB (SLUICE_SEED=${first})`,
  t => {
    for (let seed = first; seed < first + SEEDS; seed += 1) {
      const random = randomFrom(seed)
      const committed = Array.from({ length: random.integer(5) + 1 }, (_, n) => committedOf(random, n + 1))
      const wake = Array.from({ length: random.integer(40) }, (_, n) => (1_000_000 + n) as StreamId)

      const messages = formatMessages(THERE, { wake, committed })

      const read = messages.map(bytes => taken(bytes))
      const whole = committed.filter(({ streamId }) => read.every(({ wake }) => !wake.includes(streamId)))
      t.ok(
        messages.every(({ length }) => length <= MAX_MESSAGE_BYTES),
        'none is longer',
      )
      t.strictSame(joined(read.flatMap(({ committed }) => committed)), whole)
      t.strictSame(
        new Set(read.flatMap(({ wake }) => wake)),
        new Set([...wake, ...streams(without(committed, whole))]),
      )
    }
    t.end()
  },
)

t.test('events are left out, and their stream is woken, when they cannot be carried', t => {
  const small = eventsOf(randomFrom(1), 3, 10)
  const base = { streamId: 7 as StreamId, way: 'http', previous: uuid(9) } as const
  const cases: Readonly<Record<string, Committed>> = {
    'an event is larger than a message': {
      ...base,
      events: [...small, ...sized(1, 65_500, 4)],
    },
    'they are too many for one delivery': { ...base, events: sized(501, 10) },
    'they are too large for one delivery': { ...base, events: sized(10, 30_000) },
    'the event before them is unknown': { ...base, previous: null, events: small },
  }
  for (const [why, committed] of Object.entries(cases)) {
    const messages = formatMessages(THERE, { committed: [committed] })
    t.strictSame(
      messages.map(bytes => taken(bytes)),
      [{ wake: [7], committed: [] }],
      why,
    )
  }
  const unsigned = formatMessages({ ...THERE, key: undefined }, { committed: [{ ...base, events: small }] })
  t.strictSame(
    unsigned.map(bytes => parseMessage(bytes, { ...HERE, key: undefined })),
    [{ wake: [7], committed: [], refused: 'unsigned' }],
    'there is no key',
  )
  t.end()
})

t.test(
  'events of other hands, of other databases and of other times are not taken; what remains is a wake',
  t => {
    const committed = [FEW]
    const [message = Buffer.of()] = formatMessages(THERE, { wake: [8] as StreamId[], committed })
    const wakes = [8, 7]
    const other = new MessageKey(['another secret of the bus, just as long'])
    const at = (ms: number) => ({ ...HERE, at: AT + ms })
    const refused = (reason: string) => ({ wake: wakes, committed: [], refused: reason })

    t.strictSame(parseMessage(message, { ...HERE, key: other }), refused('unsigned'))
    t.strictSame(parseMessage(message, { ...HERE, key: undefined }), refused('unsigned'))
    t.strictSame(parseMessage(message, at(MAX_AGE_MS + 1)), refused('late'))
    t.strictSame(parseMessage(message, at(-MAX_AGE_MS - 1)), refused('late'))
    t.strictSame(taken(message, at(MAX_AGE_MS)).committed, committed)
    t.strictSame(parseMessage(message, { ...HERE, history: '7300-5.2' }), refused('other-history'))
    t.strictSame(parseMessage(message, { ...HERE, history: undefined }), refused('other-history'))
    t.strictSame(parseMessage(message, { ...HERE, notBefore: AT }), refused('late'))
    t.equal(parseMessage(message, THERE), 'own')
    const both = { ...HERE, key: new MessageKey(['another secret of the bus, just as long', SECRET]) }
    t.strictSame(taken(message, both).committed, committed, 'a former secret')
    t.end()
  },
)

t.test('a message of which any byte was changed, or any part cut off or added, carries nothing', t => {
  const committed = [FEW]
  const [message = Buffer.of()] = formatMessages(THERE, { committed })
  const wrong: string[] = []
  const read = (bytes: Buffer, what: string) => {
    const found = parseMessage(bytes, HERE)
    if (found !== undefined && found !== 'own' && found.committed.length > 0) wrong.push(what)
  }

  for (let at = 0; at < message.length; at += 1) {
    for (const bit of [1, 8, 0x80]) {
      const changed = Buffer.from(message)
      changed[at] = (changed[at] ?? 0) ^ bit
      read(changed, `bit ${bit} of byte ${at}`)
    }
    read(message.subarray(0, at), `cut at ${at}`)
    read(message.subarray(at + 1), `without its first ${at + 1} bytes`)
  }
  read(Buffer.concat([message, Buffer.from(' ')]), 'a space at its end')
  read(Buffer.concat([message, message]), 'twice')

  t.strictSame(wrong, [])
  t.strictSame(taken(message).committed, committed)
  t.end()
})

t.test(
  `random bytes, and messages that were put together from others, are read without an error (SLUICE_SEED=${first})`,
  t => {
    const random = randomFrom(first)
    const [message = Buffer.of()] = formatMessages(THERE, { committed: [FEW] })
    const wrong: string[] = []
    for (let n = 0; n < byNight(3_000, 1_000_000); n += 1) {
      const noise = Buffer.from(Array.from({ length: random.integer(300) }, () => random.integer(256)))
      const cut = random.integer(message.length)
      const bytes = random.pick([
        noise,
        Buffer.concat([message.subarray(0, cut), noise, message.subarray(cut)]),
      ])
      const found = parseMessage(bytes, HERE)
      if (typeof found === 'object' && found.committed.length > 0 && !bytes.equals(message))
        wrong.push(String(n))
    }
    t.strictSame(wrong, [])
    t.equal(parseMessage(Buffer.alloc(MAX_MESSAGE_BYTES + 1, '1'), HERE), undefined, 'too long')
    t.end()
  },
)

t.test('events of a process that has the key, but another idea of events, are a wake', t => {
  const event = [1, uuid(1), AT, 'thing.made', '{}', null, null]
  const bodies: Readonly<Record<string, unknown>> = {
    'no list': {},
    'a gap between positions': [[7, 'http', uuid(0), [event, [3, uuid(2), ...event.slice(2)]]]],
    'no events': [[7, 'http', uuid(0), []]],
    'a position below 1': [[7, 'http', uuid(0), [[0, ...event.slice(1)]]]],
    'a type that breaks the frame': [[7, 'http', uuid(0), [[1, uuid(1), AT, 'a\nid: 9', '{}', null, null]]]],
    'another way': [[7, 'pigeon', uuid(0), [event]]],
    'an id that is no UUID': [[7, 'http', 'x', [event]]],
    'one field more': [[7, 'http', uuid(0), [[...event, 'x']]]],
    'data that is no text': [[7, 'http', uuid(0), [[1, uuid(1), AT, 'thing.made', {}, null, null]]]],
  }
  const head = `sluice1 there ${HERE.history} ${AT}  7`
  const signed = (body: string) => Buffer.from(`${head} ${HERE.key.sign(head, body)}\n${body}`)

  t.equal(taken(signed(JSON.stringify([[7, 'http', uuid(0), [event]]]))).committed.length, 1, 'a right one')
  for (const [what, body] of Object.entries(bodies))
    t.strictSame(
      parseMessage(signed(JSON.stringify(body)), HERE),
      { wake: [7], committed: [], refused: 'malformed' },
      what,
    )
  t.strictSame(parseMessage(signed('['.repeat(60_000)), HERE), {
    wake: [7],
    committed: [],
    refused: 'malformed',
  })
  t.end()
})

function taken(bytes: Uint8Array, place: typeof HERE = HERE) {
  const message = parseMessage(bytes, place)
  if (message === undefined || message === 'own') throw new Error('It is no message of another process.')
  const { wake, committed } = message
  if (wake === 'all') throw new Error('It wakes all streams.')
  return { wake, committed }
}

/** Events of one stream that arrived in several parts, each of which must continue the one before. */
function joined(parts: readonly Committed[]): Committed[] {
  const whole = new Map<StreamId, Committed & { events: StoredEvent[] }>()
  for (const { streamId, previous, events, ...rest } of parts) {
    const before = whole.get(streamId)
    if (before && before.events.at(-1)?.eventId !== previous)
      throw new Error('A part continues no other one.')
    if (before) before.events.push(...events)
    else whole.set(streamId, { streamId, ...rest, previous, events: [...events] })
  }
  return [...whole.values()]
}

function without(all: readonly Committed[], some: readonly Committed[]): Committed[] {
  return all.filter(each => !some.includes(each))
}

function streams(committed: readonly Committed[]): StreamId[] {
  return committed.map(({ streamId }) => streamId)
}

function committedOf(random: Random, stream: number): Committed {
  const way = random.pick([undefined, 'http', 'item', 'runner', 'engine'] as const)
  const [count, size] = random.pick<readonly [number, number]>([
    [1, 20],
    [3, 2_000],
    [40, 300],
    [200, 1_000],
    [5, 50_000],
    [2, 64_000],
    [1, 66_000],
  ])
  const events = eventsOf(random, random.integer(count) + 1, size, random.integer(1_000) + 1)
  return {
    streamId: stream as StreamId,
    way,
    previous: random.integer(8) ? uuid(random.integer(9)) : null,
    events,
  }
}

function eventsOf(random: Random, count: number, size: number, first = 1): StoredEvent[] {
  const text = () => random.pick(['x', 'é', '\u2028', '\\u0000', '\\n', '\\"', '\n', '\u{1f600}', ' ', ']]'])
  return Array.from({ length: count }, (_, n) => ({
    position: (first + n) as Position,
    eventId: uuid(random.integer(2 ** 32)),
    at: new Date(AT + random.integer(1_000)),
    type: random.pick(['thing.made', 'a', 'A:b/c-d_e.f']),
    data: `{"x":"${text().repeat(random.integer(Math.max(2, size / 4)))}"}`.slice(0, size),
    attributes: random.pick([null, '{"source":"/é"}']),
    traceparent: random.pick([null, '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01']),
  }))
}

function sized(count: number, size: number, first = 1): StoredEvent[] {
  const data = `{"x":"${'x'.repeat(size - 8)}"}`
  return eventsOf(randomFrom(1), count, 10, first).map(event => ({ ...event, data }))
}

function uuid(n: number): string {
  return `0b7e2d94-53a1-4c7e-9f0e-${n.toString(16).padStart(12, '0')}`
}
