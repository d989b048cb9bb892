import t from 'tap'
import type { Position, StoredEvent } from '../../../../src/log/event.js'
import { EventWindow } from '../../../../src/webhooks/delivery/event-window.js'
import { HeldEvents } from '../../../../src/webhooks/delivery/held-events.js'

const MB = 1024 * 1024

t.test('a lane holds a megabyte of events at most, and keeps the places of the others', async t => {
  const held = new HeldEvents()
  const window = new EventWindow(held)
  for (let n = 1; n <= 256; n += 1) window.add(event(n, 100_000), 0)

  const items = Array.from({ length: 256 }, () => window.shift())

  t.ok(items.filter(item => item?.event).length <= 11)
  t.strictSame(
    items.map(item => item?.cursor.position),
    Array.from({ length: 256 }, (_, n) => n + 1),
  )
  t.ok(held.bytes > 0, 'what waits for its turn counts')
  for (const item of items) if (item) window.release(item)
  t.equal(held.bytes, 0)
})

t.test('all lanes together stay below the bound, and there is room for the next one', async t => {
  const held = new HeldEvents(8 * MB)
  const windows = Array.from({ length: 50 }, () => new EventWindow(held))
  for (const window of windows) for (let n = 1; n <= 256; n += 1) window.add(event(n, 10_000), 0)
  const next = new EventWindow(held)
  next.add(event(1, 10_000), 0)

  t.ok(held.bytes <= 8 * MB)
  t.ok(held.bytes > 5 * MB)
  t.ok(next.first?.event)
  for (const window of windows) window.clear()
  next.forgetEvents()
  t.equal(held.bytes, 0)
  t.match(next.first, { cursor: { position: 1 }, event: undefined })
})

t.test('an item that is put back is again in its place, to be read again', async t => {
  const window = new EventWindow(new HeldEvents())
  for (let n = 1; n <= 3; n += 1) window.add(event(n, 10), 0)
  const [first, second] = [window.shift(), window.shift()]
  if (second) window.putBack(second)
  if (first) window.putBack(first)

  t.match(
    [1, 2, 3].map(() => window.shift()),
    [
      { cursor: { position: 1 }, event: undefined },
      { cursor: { position: 2 }, event: undefined },
      { cursor: { position: 3 }, event: { position: 3 } },
    ],
  )
})

function event(position: number, characters: number): StoredEvent {
  return {
    position: position as Position,
    eventId: `00000000-0000-4000-8000-${String(position).padStart(12, '0')}`,
    at: new Date(position),
    type: 'thing.made',
    data: 'x'.repeat(characters),
  }
}
