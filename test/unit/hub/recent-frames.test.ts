import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { EventFrames } from '../../../src/hub/event-frames.js'
import { RecentFrames } from '../../../src/hub/recent-frames.js'
import type { Position } from '../../../src/log/event.js'

const at = (position: number) => position as Position
const idOf = (position: number) => `00000000-0000-4000-8000-${String(position).padStart(12, '0')}`
const cursor = (position: number) => ({ position: at(position), eventId: idOf(position) })

t.test('all events after a position are returned, or nothing is', async t => {
  const recent = new RecentFrames()
  recent.add(
    [10, 11, 12].map(n => frame(n)),
    idOf(9),
  )

  t.strictSame(positions(recent.after(cursor(9))), [10, 11, 12])
  t.strictSame(positions(recent.after(cursor(11))), [12])
  t.strictSame(positions(recent.after(cursor(12))), [])
  t.equal(recent.after(cursor(8)), undefined, 'the ninth was never here')
})

t.test('a cursor of another history finds nothing', async t => {
  const recent = new RecentFrames()
  recent.add(
    [10, 11, 12].map(n => frame(n)),
    idOf(9),
  )

  for (const n of [9, 10, 12]) t.equal(recent.after({ ...cursor(n), eventId: idOf(0) }), undefined)
  t.strictSame(positions(recent.after({ position: at(11) })), [12], 'one without a UUID is believed')
})

t.test('there is nothing before the first event and after a restart', async t => {
  const recent = new RecentFrames()

  t.equal(recent.after(cursor(0)), undefined)
  t.equal(recent.at(at(1)), undefined)
  recent.add([frame(1)], idOf(0))
  recent.clear()
  t.equal(recent.after(cursor(0)), undefined)
  recent.add([frame(7)], idOf(6))

  t.strictSame(positions(recent.after(cursor(6))), [7])
})

t.test('one event is found by its position', async t => {
  const recent = new RecentFrames()
  recent.add(
    [10, 11, 12].map(n => frame(n)),
    idOf(9),
  )

  t.equal(recent.at(at(11))?.position, 11)
  t.equal(recent.at(at(9)), undefined)
  t.equal(recent.at(at(13)), undefined)
})

t.test('the oldest events are removed first, by count', async t => {
  const recent = new RecentFrames()

  for (let n = 1; n <= 5_000; n += 1) {
    recent.add([frame(n)], idOf(n - 1))
    if (n % 997 === 0) t.equal(recent.at(at(n))?.position, n)
  }

  t.equal(recent.after(cursor(3_975)), undefined)
  t.equal(recent.after(cursor(3_976))?.length, 1_024)
  t.equal(recent.at(at(3_977))?.position, 3_977)
})

t.test('the oldest events are removed first, by bytes', async t => {
  const recent = new RecentFrames()

  for (let n = 1; n <= 20; n += 1) recent.add([frame(n, 100_000)], idOf(n - 1))

  t.equal(recent.after(cursor(14)), undefined)
  t.strictSame(positions(recent.after(cursor(15))), [16, 17, 18, 19, 20])
})

t.test('a removed event is not kept in memory', async t => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const recent = new RecentFrames()
  const kept: WeakRef<EventFrames>[] = []
  for (let n = 1; n <= 200; n += 1) {
    const large = frame(n, 200_000)
    kept.push(new WeakRef(large))
    recent.add([large], idOf(n - 1))
  }

  await new Promise(resolve => setImmediate(resolve))
  collect()

  const alive = kept.filter(frames => frames.deref() !== undefined).length
  t.ok(alive <= 6, `${alive} of 200 are kept`)
})

function frame(position: number, bytes = 10): EventFrames {
  const data = `{"x":"${'x'.repeat(bytes)}"}`
  return new EventFrames({ ...cursor(position), at: new Date(0), type: 'thing.made', data })
}

function positions(frames: readonly EventFrames[] | undefined): Position[] | undefined {
  return frames?.map(({ position }) => position)
}
