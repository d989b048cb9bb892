import t from 'tap'
import { Pacing } from '../../../../src/hub/scheduling/pacing.js'
import type { StreamId } from '../../../../src/log/event.js'
import { until } from '../../../harness/until.js'

const [BUSY, OTHER] = [1, 2] as StreamId[] as [StreamId, StreamId]
const A_DAY_MS = 86_400_000

function start() {
  const woken: StreamId[] = []
  let now = 0
  const pacing = new Pacing(
    id => woken.push(id),
    () => now,
  )
  /** A delivery that took so long and is done at once; `more`: the log has more for the stream. */
  const delivered = (id: StreamId, ms: number, more = false): void => {
    const goesOn = pacing.deliver(id, more, () => {
      now += ms
    })
    t.equal(goesOn, undefined)
  }
  /** A delivery that goes on until the returned function ends it, and took so long then. */
  const delivering = (id: StreamId, ms: number) => {
    let end = () => {}
    const done = pacing.deliver(id, false, () => new Promise(resolve => (end = resolve)))
    return async () => {
      now += ms
      end()
      await done
    }
  }
  return { pacing, woken, delivered, delivering }
}

t.test('a stream that is postponed while it is paused is woken once, afterwards', async t => {
  const { pacing, woken, delivered } = start()

  delivered(BUSY, 10)
  t.ok(pacing.postpone(BUSY))
  t.ok(pacing.postpone(BUSY))
  t.strictSame(woken, [])

  await until('the end of the pause', () => woken.length > 0)
  t.strictSame(woken, [BUSY])
  t.notOk(pacing.postpone(BUSY))
})

t.test('a stream that was not postponed is not woken', async t => {
  const { pacing, woken, delivered } = start()

  delivered(BUSY, 1)
  delivered(OTHER, 10)
  pacing.postpone(OTHER)

  await until('the end of the other', () => woken.length > 0)
  t.strictSame(woken, [OTHER])
  t.notOk(pacing.postpone(BUSY))
})

t.test('a stream is held back as long as its delivery goes on, and is paused then', async t => {
  const { pacing, woken, delivering } = start()

  const [endBusy, endOther] = [delivering(BUSY, 1), delivering(OTHER, 0.1)]
  t.ok(pacing.postpone(BUSY))
  t.ok(pacing.postpone(OTHER))
  await endOther()
  t.strictSame(woken, [OTHER], 'at once, if it needs no pause')
  await endBusy()
  t.ok(pacing.postpone(BUSY))

  await until('the end of the pause', () => woken.includes(BUSY))
  t.strictSame(woken, [OTHER, BUSY])
})

t.test('a stream that is delivered in the middle of a pause is woken after both', async t => {
  const { pacing, woken, delivered, delivering } = start()

  delivered(BUSY, 1)
  pacing.postpone(BUSY)
  const endBusy = delivering(BUSY, 1)
  delivered(OTHER, 10)
  pacing.postpone(OTHER)
  await until('a longer pause', () => woken.length > 0)
  t.strictSame(woken, [OTHER])
  await endBusy()

  await until('the end of its own', () => woken.length > 1)
  t.strictSame(woken, [OTHER, BUSY])
})

t.test('a stream is not paused after a short delivery, nor while it is behind', async t => {
  const { pacing, delivered } = start()

  delivered(BUSY, 0.1)
  delivered(OTHER, 10, true)

  t.notOk(pacing.postpone(BUSY))
  t.notOk(pacing.postpone(OTHER))
})

t.test('however long a delivery took, the pause is short', async t => {
  const { pacing, woken, delivered } = start()

  delivered(BUSY, A_DAY_MS)
  pacing.postpone(BUSY)

  await until('the end of the pause', () => woken.length > 0)
  t.strictSame(woken, [BUSY])
})

t.test('a delivery that fails is paused like any other, and its error is the caller’s', async t => {
  const { pacing, woken } = start()

  const failing = pacing.deliver(BUSY, false, () => Promise.reject(new Error('broken')))
  pacing.postpone(BUSY)

  await t.rejects(failing ?? Promise.resolve(), /broken/)
  t.strictSame(woken, [BUSY])
})

t.test('after the end nothing is woken', async t => {
  const { pacing, woken, delivered } = start()
  delivered(BUSY, 1)
  pacing.postpone(BUSY)

  pacing.close()

  const later = start()
  later.delivered(OTHER, 10)
  later.pacing.postpone(OTHER)
  await until('a longer pause', () => later.woken.length > 0)
  t.strictSame(woken, [])
})
