import t from 'tap'
import { Rests } from '../../../../src/hub/scheduling/pacing.js'
import type { StreamId } from '../../../../src/log/event.js'
import { until } from '../../../harness/until.js'

const [BUSY, OTHER] = [1, 2] as StreamId[] as [StreamId, StreamId]
const FOR_EVER_MS = 86_400_000

function start() {
  const woken: StreamId[] = []
  return { rests: new Rests(id => woken.push(id)), woken }
}

t.test('what is woken while it rests is woken once, afterwards', async t => {
  const { rests, woken } = start()

  rests.after(BUSY, 10)
  t.ok(rests.defer(BUSY))
  t.ok(rests.defer(BUSY))
  t.strictSame(woken, [])

  await until('the end of the rest', () => woken.length > 0)
  t.strictSame(woken, [BUSY])
  t.notOk(rests.defer(BUSY))
})

t.test('what nobody wakes meanwhile is left alone', async t => {
  const { rests, woken } = start()

  rests.after(BUSY, 1)
  rests.after(OTHER, 10)
  rests.defer(OTHER)

  await until('the end of the other', () => woken.length > 0)
  t.strictSame(woken, [OTHER])
  t.notOk(rests.defer(BUSY))
})

t.test('a stream is held back as long as its turn lasts, and rests then', async t => {
  const { rests, woken } = start()

  rests.hold(BUSY)
  rests.hold(OTHER)
  t.ok(rests.defer(BUSY))
  t.ok(rests.defer(OTHER))
  rests.after(OTHER, 0.1)
  t.strictSame(woken, [OTHER], 'at once, if it need not rest')
  rests.after(BUSY, 1)
  t.ok(rests.defer(BUSY))

  await until('the end of the rest', () => woken.includes(BUSY))
  t.strictSame(woken, [OTHER, BUSY])
})

t.test('a stream that is held in the middle of a rest is woken after both', async t => {
  const { rests, woken } = start()

  rests.after(BUSY, 1)
  rests.defer(BUSY)
  rests.hold(BUSY)
  rests.after(OTHER, 10)
  rests.defer(OTHER)
  await until('a longer rest', () => woken.length > 0)
  t.strictSame(woken, [OTHER])
  rests.after(BUSY, 1)

  await until('the end of its own', () => woken.length > 1)
  t.strictSame(woken, [OTHER, BUSY])
})

t.test('a stream that others do not wait for needs no rest', async t => {
  const { rests } = start()

  rests.after(BUSY, 0.1)

  t.notOk(rests.defer(BUSY))
  t.notOk(rests.defer(OTHER))
})

t.test('however long a turn took, the rest is short', async t => {
  const { rests, woken } = start()

  rests.after(BUSY, FOR_EVER_MS)
  rests.defer(BUSY)

  await until('the end of the rest', () => woken.length > 0)
  t.strictSame(woken, [BUSY])
})

t.test('after the end nothing is woken', async t => {
  const { rests, woken } = start()
  rests.after(BUSY, 1)
  rests.defer(BUSY)

  rests.close()

  const later = start()
  later.rests.after(OTHER, 10)
  later.rests.defer(OTHER)
  await until('a longer rest', () => later.woken.length > 0)
  t.strictSame(woken, [])
})
