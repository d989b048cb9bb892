import t from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { EventFrames } from '../../../src/hub/event-frames.js'
import { payloads } from '../../../src/hub/fan-out-group.js'
import { Pages } from '../../../src/hub/pages.js'
import { SharedPayloads } from '../../../src/hub/shared-payloads.js'
import type { Position, StreamId } from '../../../src/log/event.js'
import { EventFilter } from '../../../src/log/event-filter.js'
import { sse } from '../../../src/sse/encoding.js'
import type { Payload } from '../../../src/sse/payload.js'

const BEFORE = { position: 0 as Position }
/** Nothing is read. */
const UNUSED = {} as Database

t.test('clients that catch up with the same events write the same payloads', async t => {
  const frames = madeFrames(400)
  const shared = new SharedPayloads()

  const first = written(frames, shared)
  const second = written(frames.slice(), shared)

  t.equal(first.length, 2)
  t.equal(second[0], first[0])
  t.equal(second[1], first[1])
  t.equal(textOf(second), frames.map(frame => `${frame.in(sse)}`).join(''))
})

t.test(
  'a payload is joined anew of other events, of fewer, and of the same ones with other data',
  async t => {
    const frames = madeFrames(100)
    const shared = new SharedPayloads()
    const cases = {
      fewer: frames.slice(0, 90),
      'others at the end': [...frames.slice(0, 99), ...madeFrames(1)],
      'fewer in the middle': [...frames.slice(0, 40), ...frames.slice(50)],
      'changed in the middle': [...frames.slice(0, 40), ...madeFrames(10, 'y'), ...frames.slice(50)],
    }

    for (const [name, others] of Object.entries(cases)) {
      const [whole] = written(frames, shared)
      const [payload] = written(others, shared)

      t.not(payload, whole, name)
      t.equal(`${payload?.bytes}`, others.map(frame => `${frame.in(sse)}`).join(''), name)
      t.equal(payload?.last, others.at(-1)?.event, name)
    }
  },
)

t.test('clients that come back at different places share the bytes up to the same end', async t => {
  const frames = madeFrames(100)
  const shared = new SharedPayloads()
  const textAfter = (place: number) =>
    frames
      .slice(place)
      .map(frame => `${frame.in(sse)}`)
      .join('')

  const [middle] = written(frames.slice(40), shared)
  const [whole] = written(frames, shared)
  const [ending] = written(frames.slice(40), shared)
  const [shorter] = written(frames.slice(60), shared)

  t.not(whole?.bytes.buffer, middle?.bytes.buffer)
  t.equal(ending?.bytes.buffer, whole?.bytes.buffer)
  t.equal(`${ending?.bytes}`, textAfter(40))
  t.equal(ending?.parts, 60)
  t.equal(ending?.last, frames.at(-1)?.event)
  t.equal(shorter?.bytes.buffer, whole?.bytes.buffer)
  t.equal(`${shorter?.bytes}`, textAfter(60))
})

t.test('a filter leads to a payload of its own', async t => {
  const frames = madeFrames(100)
  const shared = new SharedPayloads()
  const [whole] = written(frames, shared)

  const [odd] = written(frames, shared, EventFilter.ofTypes('odd'))

  t.equal(whole?.parts, 100)
  t.equal(odd?.parts, 50)
})

t.test(
  'clients with a filter and without one keep their payloads, though both end with the same event',
  async t => {
    const frames = madeFrames(100)
    const shared = new SharedPayloads()
    const odd = EventFilter.ofTypes('odd')
    const [whole] = written(frames, shared)
    const [filtered] = written(frames, shared, odd)

    t.equal(filtered?.last, whole?.last)
    t.equal(written(frames, shared)[0], whole)
    t.equal(written(frames, shared, odd)[0], filtered)
  },
)

t.test('payloads of frames that are one buffer differ by their last event', async t => {
  const frames = madeFrames(40)
  const buffer = Buffer.alloc(400, 'z')
  const encoding = { ...sse, name: 'constant', event: () => buffer }
  const shared = new SharedPayloads()
  const lastOf = (some: readonly EventFrames[]) =>
    [...payloads(some, BEFORE, { head: BEFORE }, encoding, undefined, shared)].at(-1)?.payload?.last

  t.equal(lastOf(frames.slice(0, 30)), frames[29]?.event)
  t.equal(lastOf(frames.slice(10, 40)), frames[39]?.event)
})

t.test('small payloads are not kept, and none is after clear', async t => {
  const small = madeFrames(10)
  const large = madeFrames(100)
  const shared = new SharedPayloads()

  const [first] = written(small, shared)
  const [second] = written(small, shared)
  const [other] = written(large, shared)
  shared.clear()

  t.not(second, first)
  t.not(written(large, shared)[0], other)
})

t.test('changed events, and too little memory, leave none of them in the pages of a process', async t => {
  const pages = new Pages(UNUSED)
  const frames = madeFrames(100)
  const [before] = written(frames, pages.payloads)

  pages.forget(1 as StreamId)
  const [afterChange] = written(frames, pages.payloads)
  pages.clear()
  const [afterClear] = written(frames, pages.payloads)

  t.not(afterChange, before)
  t.not(afterClear, afterChange)
})

function written(frames: readonly EventFrames[], shared: SharedPayloads, filter?: EventFilter): Payload[] {
  const all = [...payloads(frames, BEFORE, { head: BEFORE }, sse, filter, shared)]
  return all.flatMap(({ payload }) => payload ?? [])
}

function textOf(all: readonly Payload[]): string {
  return all.map(({ bytes }) => `${bytes}`).join('')
}

/** Of about 300 bytes each. */
function madeFrames(count: number, letter = 'x'): EventFrames[] {
  return Array.from({ length: count }, (_, n) => {
    const position = (n + 1) as Position
    const eventId = `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
    const data = JSON.stringify(letter.repeat(200))
    return new EventFrames({ position, eventId, type: n % 2 ? 'odd' : 'even', data, at: new Date(n) })
  })
}
