import t from 'tap'
import type { Consumer, ConsumerId, Epoch } from '../../../src/consumers/consumer.js'
import { Hold } from '../../../src/consumers/hold.js'
import { EventFrames } from '../../../src/hub/event-frames.js'
import type { Position, StoredEvent, StreamId } from '../../../src/log/event.js'

const LATER = performance.now() + 60_000
const STREAM = 1 as StreamId

t.test('a process that could not renew its lease hands out nothing until it has', async t => {
  const hold = holdUntil(performance.now() - 1)
  const changed = hold.changed()

  t.equal(hold.room, 0)
  hold.renewed(LATER)
  await changed
  t.equal(hold.room, 2)
})

t.test('the room is what the window leaves, and grows with the acknowledgements', async t => {
  const hold = holdUntil(LATER)
  hold.wrote([frame(3), frame(5)], frame(6).event)

  t.match([hold.room, hold.inFlight], [0, 2])
  hold.acknowledged(frame(4).event)
  t.match([hold.room, hold.inFlight, hold.cursor.position], [1, 1, 4])
  hold.acknowledged(frame(2).event)
  t.match([hold.room, hold.inFlight, hold.cursor.position], [1, 1, 4])
})

t.test('what is acknowledged is not in flight, though it is written again', async t => {
  const hold = holdUntil(LATER)
  hold.acknowledged(frame(5).event)

  hold.wrote([frame(3), frame(5), frame(6)], frame(6).event)

  t.match([hold.room, hold.inFlight], [1, 1])
})

t.test(
  'a stream starts after what was acknowledged since its start was found, unless that is a reset',
  async t => {
    const hold = holdUntil(LATER)
    const start = { cursor: frame(1).event }
    const reset = { ...start, reset: { reason: 'retention', earliest: '1', head: '1' } } as const
    t.equal(hold.startFrom(start, STREAM), start)

    hold.acknowledged(frame(5).event)

    t.match(hold.startFrom(start, STREAM), { cursor: { position: 5 } })
    t.equal(hold.startFrom(reset, STREAM), reset)
    t.equal(hold.startFrom(start, 2 as StreamId), start, 'another stream of its name')
  },
)

t.test(
  'the cursor moves by itself only over what the filter left out, when nothing is in flight',
  async t => {
    const hold = holdUntil(LATER)
    hold.wrote([frame(3)], frame(6).event)

    t.equal(hold.passedOver, undefined)
    hold.acknowledged(frame(3).event)
    t.match(hold.passedOver, { position: 6, eventId: frame(6).event.eventId, epoch: 1 })
    hold.reset(frame(9).event)
    t.equal(hold.passedOver, undefined)
    hold.acknowledged(frame(12).event)
    t.equal(hold.cursor.position, 9, 'what the row said before it has the reset means nothing')
  },
)

t.test(
  'after lost events over which the cursor has passed, it is the last place that the client knows',
  async t => {
    const hold = holdUntil(LATER)
    hold.wrote([frame(3)], frame(6).event)
    hold.acknowledged(frame(3).event)
    hold.acknowledged(frame(6).event)

    hold.rewound(frame(3).event)
    hold.wrote([frame(4), frame(6)], frame(6).event)

    t.match([hold.inFlight, hold.cursor.position], [2, 3])
    hold.acknowledged(frame(4).event)
    t.match([hold.inFlight, hold.cursor.position], [1, 4])
    hold.acknowledged(frame(6).event)
    t.match([hold.inFlight, hold.cursor.position], [0, 6])
  },
)

t.test('a full window whose stream is reset has room at once', async t => {
  const hold = holdUntil(LATER)
  hold.wrote([frame(3), frame(5)], frame(6).event)
  t.equal(hold.room, 0)
  const changed = hold.changed()

  hold.reset(frame(9).event)

  await changed
  t.equal(hold.room, 2)
})

t.test('what was handed out is noted once', async t => {
  const hold = holdUntil(LATER)
  t.equal(hold.takeNote(), undefined)

  hold.wrote([frame(3)], frame(6).event)

  t.match(hold.takeNote(), { position: 3, inFlight: 1 })
  t.equal(hold.takeNote(), undefined)
})

function holdUntil(leaseUntil: number): Hold {
  const { position, eventId } = frame(1).event
  const consumer: Consumer = {
    ...{ id: 'c' as ConsumerId, epoch: 1 as Epoch, workspace: 'acme', kind: 'pull', name: 'one' },
    ...{ stream: 'feed', streamId: STREAM, types: null, where: null, description: null },
    ...{
      ackTimeoutMs: 1_000,
      maxInFlight: 2,
      cursor: { position, eventId },
      reset: null,
      lastAckAt: null,
      handed: null,
    },
    ...{ inFlight: 0, fencedBy: null, active: true, held: undefined, laggingSince: null, lostAt: null },
    ...{ createdAt: new Date(0), createdBy: 'ada' },
  }
  return new Hold({ consumer, leaseUntil, onReset() {}, onClosed() {} })
}

function frame(position: number): EventFrames {
  const event: StoredEvent = {
    position: position as Position,
    eventId: `${String(position).padStart(8, '0')}-0000-4000-8000-000000000000`,
    type: 'thing.made',
    data: '{}',
    at: new Date(0),
    traceparent: null,
  }
  return new EventFrames(event)
}
