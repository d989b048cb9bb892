import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { Pacing } from '../../../../src/hub/scheduling/pacing.js'
import type { StreamId } from '../../../../src/log/event.js'
import { spin } from '../../../harness/event-loop.js'

const [BUSY, OTHER] = [1, 2] as StreamId[] as [StreamId, StreamId]

/** Pacing by a rule that pauses a stream for as many milliseconds as it has clients, on a clock that the test moves. */
function start(t: Test) {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const woken: StreamId[] = []
  const pacing = new Pacing(id => woken.push(id), { pauseAfter: clients => clients })
  const delivery = (id: StreamId, pauseMs: number, isBehind = false) => ({
    id,
    clients: pauseMs,
    characters: 0,
    isBehind,
  })
  /** A delivery that is done at once. */
  const delivered = (id: StreamId, pauseMs: number, isBehind = false): void => {
    const goesOn = pacing.deliver(delivery(id, pauseMs, isBehind), () => {})
    t.equal(goesOn, undefined)
  }
  /** A delivery that goes on until the returned function ends it. */
  const delivering = (id: StreamId, pauseMs: number) => {
    let end = () => {}
    const done = pacing.deliver(delivery(id, pauseMs), () => new Promise(resolve => (end = resolve)))
    return async () => {
      end()
      await done
    }
  }
  const tick = (ms: number) => mock.timers.tick(ms)
  return { pacing, woken, delivery, delivered, delivering, tick }
}

t.test('a stream that is postponed while it is paused is woken once, afterwards', async t => {
  const { pacing, woken, delivered, tick } = start(t)

  delivered(BUSY, 30)
  t.ok(pacing.postpone(BUSY))
  t.ok(pacing.postpone(BUSY))
  tick(29)
  t.strictSame(woken, [])
  tick(1)

  t.strictSame(woken, [BUSY])
  t.notOk(pacing.postpone(BUSY))
})

t.test('a stream that was not postponed is not woken', async t => {
  const { pacing, woken, delivered, tick } = start(t)

  delivered(BUSY, 30)
  tick(30)

  t.strictSame(woken, [])
  t.notOk(pacing.postpone(BUSY))
})

t.test('a stream is held back as long as its delivery goes on, and is paused then', async t => {
  const { pacing, woken, delivering, tick } = start(t)

  const [endBusy, endOther] = [delivering(BUSY, 30), delivering(OTHER, 0)]
  t.ok(pacing.postpone(BUSY))
  t.ok(pacing.postpone(OTHER))
  await endOther()
  t.strictSame(woken, [OTHER], 'at once, if it needs no pause')
  await endBusy()
  t.ok(pacing.postpone(BUSY))
  tick(30)

  t.strictSame(woken, [OTHER, BUSY])
})

t.test('a stream that is delivered in the middle of a pause is woken after both', async t => {
  const { pacing, woken, delivered, delivering, tick } = start(t)

  delivered(BUSY, 30)
  pacing.postpone(BUSY)
  const endBusy = delivering(BUSY, 30)
  tick(30)
  t.strictSame(woken, [])
  await endBusy()
  tick(30)

  t.strictSame(woken, [BUSY])
})

t.test('a stream is not paused if the rule says so, nor while it is behind', async t => {
  const { pacing, delivered } = start(t)

  delivered(BUSY, 0)
  delivered(OTHER, 30, true)

  t.notOk(pacing.postpone(BUSY))
  t.notOk(pacing.postpone(OTHER))
})

t.test('a delivery that fails is paused like any other, and its error is the caller’s', async t => {
  const { pacing, woken, delivery, tick } = start(t)

  const failing = pacing.deliver(delivery(BUSY, 30), () => Promise.reject(new Error('broken')))
  pacing.postpone(BUSY)

  await t.rejects(failing ?? Promise.resolve(), /broken/)
  t.strictSame(woken, [])
  tick(30)
  t.strictSame(woken, [BUSY])
})

t.test('after the end nothing is woken', async t => {
  const { pacing, woken, delivered, tick } = start(t)
  delivered(BUSY, 30)
  pacing.postpone(BUSY)

  pacing.close()
  tick(30)

  t.strictSame(woken, [])
})

t.test('a stream that opens waits for no payload of the clients that catch up', async t => {
  const pacing = new Pacing()
  let written = 0
  const catchingUp = Array.from({ length: 100 }, async () => {
    await pacing.turn()
    spin(2)
    written += 1
  })

  await pacing.turnToOpen()

  t.ok(written < 20, `after ${written} of 100 payloads`)
  await Promise.all(catchingUp)
})
