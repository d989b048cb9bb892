/** One test per cause, on facts as the log and the processes report them. */
import t from 'tap'
import type { ClientDocument, ClosedClientDocument } from '../../../src/clients/client-document.js'
import type { ClientReport, Judgement } from '../../../src/clients/client-report.js'
import type { EventFacts, StoredFacts } from '../../../src/explain/event-facts.js'
import { explain } from '../../../src/explain/explain.js'
import type { Position, StreamId } from '../../../src/log/event.js'
import { formatEventId } from '../../../src/log/event-id.js'

const NOW = Date.parse('2026-11-26T10:00:00Z')
const PROCESS = 'aaaaaaaa-0000-4000-8000-000000000000'
const OTHER_PROCESS = 'bbbbbbbb-0000-4000-8000-000000000000'
const CONNECTION = 'aaaaaaaa-1111-8111-8111-111111111111'
/** The event was published 60 s ago, and read 10 ms later. */
const AT = NOW - 60_000
const READ_AT = AT + 10
const LETS_THROUGH: Judgement = { granted: true, types: true, where: true, form: true }

t.test('an event that never existed', async t => {
  const id = idOf(7)
  const missing: EventFacts[] = [
    { found: 'ahead', stream: 'feed', head: idOf(6) },
    { found: 'no-stream', stream: 'feed' },
    { found: 'other', stream: 'feed', id: idOf(7, 'c') },
  ]

  for (const event of missing) {
    const explanation = explain(facts({ event, report: { open: [open()] } }))

    t.match(explanation, {
      cause: 'never-existed',
      event: { id, status: 'unknown', type: null },
      clients: [],
    })
  }
})

t.test('an event that retention has removed', async t => {
  const event = { found: 'removed', stream: 'feed', position: 7 as Position, base: idOf(8) } as const
  const [passed, behind] = [open({ cursor: idOf(9) }, null), open({ cursor: idOf(5) }, null)]

  t.match(explain(facts({ event, report: { open: [passed] } })), {
    cause: 'removed',
    event: { status: 'removed' },
    clients: [{ cause: 'removed', entitled: null, written_after: null }],
  })
  t.match(explain(facts({ event, report: { open: [behind] } })).clients, [{ cause: 'catching-up' }])
})

t.test('a compacted event: written to the clients that were live, unknown for others', async t => {
  const event = stored({ type: 'event.compacted' })

  const live = explain(facts({ event, report: { open: [open()] } }))
  const late = explain(facts({ event, report: { open: [open()], readAt: undefined } }))

  t.match(live, { cause: 'written', event: { status: 'compacted', type: null } })
  t.match(late, { cause: 'compacted', clients: [{ entitled: null, written_before: null }] })
})

t.test('a redacted event: with its data before, without it afterwards', async t => {
  const before = stored({ redactedAt: new Date(AT + 30_000) })
  const client = open({ opened_at: text(AT + 40_000), live_since: text(AT + 40_100) })

  const live = explain(facts({ event: before, report: { open: [open()] } }))
  const late = explain(facts({ event: before, report: { open: [client] } }))
  const unclear = explain(facts({ event: before, report: { open: [open()], readAt: undefined } }))

  t.match(live, { cause: 'written', event: { status: 'redacted', redacted_at: text(AT + 30_000) } })
  t.match(late, { cause: 'written-redacted', summary: /, without its data\./ })
  t.match(unclear, { cause: 'written-redacted', summary: /with its data or without/ })
})

t.test('a redacted event and a condition on the content: unknown, because the data is gone', async t => {
  const event = stored({ redactedAt: new Date(AT + 30_000) })
  const filter = { types: null, where: 'data["n"] gt 1' }
  const client = open({ filter }, { ...LETS_THROUGH, where: false })

  t.match(explain(facts({ event, report: { open: [client] } })).clients, [{ entitled: null }])
})

t.test('the client followed another stream', async t => {
  const client = open({ stream: 'rooms/1' }, null)

  t.match(explain(facts({ report: { open: [client] } })), {
    cause: 'other-stream',
    clients: [{ entitled: false, explanation: /rooms\/1; the event is in feed/ }],
  })
})

const REASONS: readonly (readonly [keyof Judgement, string, Partial<ClientDocument>, RegExp])[] = [
  ['granted', 'not-granted', { granted_types: ['door.*'] }, /leave these types: door\.\*/],
  [
    'types',
    'filtered-by-type',
    { filter: { types: ['door.*'], where: null } },
    /asked for the types door\.\*/,
  ],
  ['where', 'filtered-by-where', { filter: { types: null, where: 'data["n"] gt 1' } }, /data\["n"\] gt 1/],
  ['form', 'not-in-form', { encoding: 'runs' }, /the form runs/],
]
for (const [reason, cause, members, explanation] of REASONS) {
  t.test(`the event was left out: ${cause}`, async t => {
    const client = open(members, { ...LETS_THROUGH, [reason]: false })

    t.match(explain(facts({ report: { open: [client] } })), {
      cause,
      clients: [{ cause, entitled: false, written_after: null, explanation }],
    })
  })
}

t.test('the client began after the event: at the head, or with an id that it brought', async t => {
  const begun = { started_after: idOf(9), cursor: idOf(9) }

  const anew = explain(facts({ report: { open: [open(begun)] } }))
  const brought = explain(facts({ report: { open: [open({ ...begun, brought_id: true })] } }))

  t.match(anew, { cause: 'started-after', clients: [{ explanation: /began after 9\./ }] })
  t.match(brought, { cause: 'started-after', clients: [{ explanation: /said that it had this event/ }] })
})

t.test('the client asked for the newest event of each key', async t => {
  const client = open({ started_after: idOf(0), newest_by_key_to: idOf(9) })

  t.match(explain(facts({ report: { open: [client] } })), { cause: 'newest-by-key' })
})

t.test('the client is still catching up', async t => {
  const client = open({ ...BEHIND, state: 'catching-up', lag_events: 4 })

  t.match(explain(facts({ report: { open: [client] } })), {
    cause: 'catching-up',
    clients: [{ entitled: true, explanation: /since .* Its cursor is 5\..*, 4 events behind the head/ }],
  })
})

t.test('the client does not read, and bytes wait for it', async t => {
  const client = open({ ...BEHIND, state: 'full', bytes_waiting: 70_000 })

  t.match(explain(facts({ report: { open: [client] } })), {
    cause: 'backpressure',
    clients: [{ bytes_waiting: 70_000, explanation: /70000 bytes wait/ }],
  })
})

t.test('the process has not read the event yet', async t => {
  const client = open({ cursor: idOf(6), head: idOf(6) })

  t.match(explain(facts({ report: { open: [client], head: 6, readAt: undefined } })), { cause: 'not-read' })
})

t.test('the client disconnected before the event was published, or before it had come to it', async t => {
  const early = closed({ cursor: idOf(6), closed_at: text(AT - 1_000) })
  const late = closed({ cursor: idOf(6), closed_at: text(AT + 1_000) })

  t.match(explain(facts({ report: { closed: [early] } })), {
    cause: 'disconnected',
    summary: /before the event was published/,
  })
  t.match(explain(facts({ report: { closed: [late] } })), {
    cause: 'disconnected',
    summary: /before it had come to the event/,
  })
})

for (const reason of ['revoked', 'expired', 'draining', 'too-old', 'stalled', 'by-admin', 'refused']) {
  t.test(`the gateway ended the stream: ${reason}`, async t => {
    const client = closed({ cursor: idOf(6), reason })

    t.match(explain(facts({ report: { closed: [client] } })), {
      cause: 'closed',
      clients: [{ close_reason: reason, explanation: new RegExp(`\\(${reason}\\)`) }],
    })
  })
}

t.test('the client was reset over the event', async t => {
  const reset = { at: text(AT), reason: 'retention', from: idOf(5), to: idOf(9) }
  const client = open({ resets: 1, last_reset: reset })
  const unknown = open({ resets: 1, last_reset: { ...reset, reason: 'unknown-id', from: null } })
  const elsewhere = open({ resets: 1, last_reset: { ...reset, from: idOf(7), to: idOf(8) } })

  t.match(explain(facts({ report: { open: [client] } })), {
    cause: 'reset',
    summary: /\(retention\) from 5\./,
  })
  t.match(explain(facts({ report: { open: [unknown] } })), { cause: 'reset', summary: /an unknown id/ })
  t.match(explain(facts({ report: { open: [elsewhere] } })), { cause: 'written' })
})

t.test('the event was written: at once to a live client, else in a span of time', async t => {
  const joined = open({ opened_at: text(AT + 1_000), live_since: text(AT + 2_000) })
  const gone = closed({ cursor: idOf(9) })

  t.match(explain(facts({ report: { open: [open()] } })), {
    cause: 'written',
    clients: [{ entitled: true, written_after: text(READ_AT), written_before: text(READ_AT) }],
    unknown: /./,
  })
  t.match(explain(facts({ report: { open: [joined] } })).clients, [
    { written_after: text(AT + 1_000), written_before: text(AT + 2_000) },
  ])
  t.match(explain(facts({ report: { closed: [gone], readAt: undefined } })).clients, [
    { written_after: text(AT), written_before: text(NOW - 1_000) },
  ])
})

t.test('a written event may still wait for the client to read', async t => {
  const client = open({ bytes_waiting: 500 })

  t.match(explain(facts({ report: { open: [client] } })), {
    cause: 'written',
    summary: /500 bytes still wait in this process/,
  })
})

t.test('the clock of the database may be ahead', async t => {
  const late = closed({ cursor: idOf(6), closed_at: text(AT - 1_000) })

  const explanation = explain(facts({ report: { closed: [late], clockAheadMs: 5_000 } }))

  t.match(explanation, { cause: 'disconnected', summary: /before it had come to the event/ })
})

t.test('the client got no stream', async t => {
  const { connection: _, cursor: __, ...identity } = open().client
  const refused = { ...identity, connection: null, refused_at: text(AT), reason: 'limit', limit: 'principal' }

  t.match(explain(facts({ report: { refused: [refused] } })), {
    cause: 'refused',
    refused: [{ reason: 'limit' }],
  })
  const elsewhere = { ...refused, stream: 'rooms/1' }
  t.match(explain(facts({ report: { refused: [elsewhere] } })), {
    cause: 'not-connected',
    refused: { length: 0 },
  })
})

t.test('there was no such client since the process started', async t => {
  t.match(explain(facts({})), { cause: 'not-connected', summary: /the principal ada since 2026/ })
})

t.test('the client is of another node', async t => {
  const asked = { connection: CONNECTION.replace('aaaaaaaa', 'bbbbbbbb') }

  t.match(explain({ ...facts({}), asked, others: [OTHER_PROCESS] }), {
    cause: 'other-node',
    summary: /the node bbbbbbbb/,
  })
  t.match(explain({ ...facts({}), others: [OTHER_PROCESS] }), {
    cause: 'other-node',
    unknown: [/committed/, /How the event was published/, /of 1 other nodes/],
  })
})

t.test('the process that knew the client has ended', async t => {
  const asked = { connection: CONNECTION.replace('aaaaaaaa', 'cccccccc') }

  t.match(explain({ ...facts({}), asked }), { cause: 'restarted' })
  t.match(explain(facts({ report: { startedAt: AT + 1_000 } })), {
    cause: 'restarted',
    summary: /What was known/,
  })
})

t.test('the client may have been forgotten', async t => {
  t.match(explain(facts({ report: { isShort: true } })), { cause: 'forgotten' })
})

t.test('of several clients, the one that got the event decides, and all are counted', async t => {
  const clients = [open({ ...BEHIND, state: 'catching-up' }), open(), open()]

  t.match(explain(facts({ report: { open: clients } })), {
    cause: 'written',
    summary: /Of 3 connections: 1 catching-up, 2 written\./,
  })
})

t.test('unrecorded facts are named as unknown', async t => {
  const event = stored({ actor: null })

  t.match(explain(facts({ event, report: { open: [open()], readAt: undefined } })), {
    event: {
      actor: null,
      way: null,
      committed_at: null,
      read_at: null,
      explanation: /Who published it is unknown/,
    },
    unknown: [/committed/, /When this node read/, /How the event was published/, /acknowledgements/],
  })
})

t.test('recorded facts are shown', async t => {
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const event = stored({ way: 'sql', traceparent, committedAt: new Date(AT + 3) })

  const { event: shown, unknown } = explain(facts({ event, report: { open: [open()] } }))

  t.match(shown, {
    ...{ actor: 'eve', way: 'sql', traceparent, committed_at: text(AT + 3), read_at: text(READ_AT) },
    explanation: /eve published it \(sql\)/,
  })
  t.match(unknown, [/acknowledgements/])
})

const BEHIND = { cursor: idOf(5), live_since: null, behind_since: text(AT - 500) }

function facts({
  event = stored(),
  report = {},
}: {
  readonly event?: EventFacts
  readonly report?: Partial<ClientReport>
}): Parameters<typeof explain>[0] {
  const given = {
    ...{ id: PROCESS, startedAt: NOW - 3_600_000, clockAheadMs: 0, total: 0 },
    ...{ open: [], closed: [], refused: [], isShort: false, readAt: READ_AT, head: 9 },
    ...report,
  }
  return { id: idOf(7), event, asked: { principal: 'ada' }, reports: [given], others: [], now: NOW }
}

function stored(members: Partial<StoredFacts> = {}): StoredFacts {
  return {
    ...{ found: 'stored', id: idOf(7), stream: 'feed', streamId: 1 as StreamId, position: 7 as Position },
    ...{ eventId: uuid(), at: new Date(AT), type: 'thing.made', data: '{}', attributes: null },
    ...{ actor: 'eve', way: null, traceparent: null, redactedAt: null, committedAt: null },
    ...members,
  }
}

/** A client that was live when the event was read, and has it. */
function open(members: Partial<ClientDocument> = {}, judgement: Judgement | null = LETS_THROUGH) {
  const client: ClientDocument = {
    ...shared(),
    ...{ age_ms: 100_000, head: idOf(9), lag_events: 0, state: 'live', last_heartbeat_at: null },
    ...members,
  }
  return { client, judgement: judgement ?? undefined }
}

function closed(members: Partial<ClosedClientDocument>) {
  const end = { closed_at: text(NOW - 1_000), duration_ms: 99_000, reason: 'client' }
  return { client: { ...shared(), ...end, ...members }, judgement: LETS_THROUGH }
}

function shared() {
  return {
    ...{ connection: CONNECTION, node: 'aaaaaaaa', principal: 'ada', role: 'viewer', credential: null },
    ...{ address: '192.0.2.7', request_id: 'r', stream: 'feed', kind: 'feed', dialect: 'sluice' },
    ...{ encoding: 'sse', filter: null, granted_types: null, newest_by_key_to: null, brought_id: false },
    ...{ opened_at: text(NOW - 100_000), started_after: idOf(3), cursor: idOf(9) },
    ...{ events: 6, bytes: 600, bytes_waiting: 0, resets: 0, last_reset: null },
    ...{ live_since: text(NOW - 99_000), behind_since: null, consumer: null },
  }
}

function idOf(position: number, digit = 'a'): string {
  return formatEventId(position as Position, uuid(digit))
}

function uuid(digit = 'a'): string {
  return `${digit.repeat(8)}-0000-4000-8000-000000000000`
}

function text(ms: number): string {
  return new Date(ms).toISOString()
}
