import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { EventFrames } from '../../../src/hub/event-frames.js'
import { payloads } from '../../../src/hub/fan-out-group.js'
import type { Position } from '../../../src/log/event.js'
import type { Encoding } from '../../../src/sse/encoding.js'
import { sse } from '../../../src/sse/encoding.js'

const COUNT = 20_000
const BEFORE = { position: 0 as Position }

t.test('the memory of small events is what is charged for them, within a third', t => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const used = () => {
    collect()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  made(1_000)
  const before = used()

  const frames = made(COUNT)

  const charged = frames.reduce((sum, { bytes }) => sum + bytes, 0)
  const ratio = (used() - before) / charged
  t.ok(ratio > 0.67 && ratio < 1.33, `${ratio.toFixed(2)} of ${charged / COUNT} bytes an event`)
  t.equal(frames.length, COUNT)
  t.end()
})

t.test('the payload of a large event is made once for each encoding, and its frame lies in it', async t => {
  const event = { ...sample(), data: JSON.stringify('x'.repeat(10_000)) }
  const frames = [new EventFrames(event)]
  const sendTo = (encoding: Encoding) =>
    [...payloads(frames, BEFORE, { head: event }, encoding, undefined)].map(({ payload }) => payload)

  const [first] = sendTo(sse)
  const [second] = sendTo(sse)
  const [other] = sendTo({ ...sse, name: 'other', event: () => Buffer.alloc(9_000, 'y') })

  t.equal(second, first)
  t.equal(frames[0]?.in(sse).buffer, first?.chunk.buffer)
  t.equal(first?.bytes.toString(), sse.event(event).toString())
  t.match(first, { parts: 1, saysHead: false, last: event })
  t.equal(other?.bytes.toString(), 'y'.repeat(9_000))
})

t.test('several events are joined, and an encoding that assembles payloads gets each event', async t => {
  const event = { ...sample(), data: JSON.stringify('x'.repeat(10_000)) }
  const later = { ...event, position: 2 as Position }
  const frames = [new EventFrames(event), new EventFrames(later)]
  const bytesIn = (encoding: Encoding, some: readonly EventFrames[]) =>
    [...payloads(some, BEFORE, { head: later }, encoding, undefined)].map(each => `${each.payload?.bytes}`)
  const one = `${sse.event(event)}`

  t.same(bytesIn(sse, frames), [`${one}${sse.event(later)}`])
  t.same(bytesIn({ ...sse, assemble: parts => [Buffer.from('['), ...parts] }, frames.slice(0, 1)), [
    `[${one}`,
  ])
})

function sample() {
  const [frames] = made(1)
  if (!frames) throw new Error('No event was made.')
  return frames.event
}

/** As the rows of a read: nothing of an event is shared with another one. */
function made(count: number): EventFrames[] {
  return Array.from({ length: count }, (_, n) => {
    const data = {
      marker: `publisher-${n}-0`,
      n: n % 10,
      text: 'plain',
      nested: { list: [n % 10, null, true] },
    }
    const row = JSON.stringify({
      position: n + 1,
      eventId: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
      type: `order.placed-${n}`,
      data: JSON.stringify(data),
    })
    const { position, ...texts }: { position: Position; eventId: string; type: string; data: string } =
      JSON.parse(row)
    const frames = new EventFrames({ position, ...texts, at: new Date(n) })
    frames.in(sse)
    return frames
  })
}
