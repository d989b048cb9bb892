import { getEventListeners } from 'node:events'
import t from 'tap'
import { elapsed, signalOrDeadline, withinDeadline } from '../../../src/process/deadline.js'

const never = new Promise<never>(() => {})
const LONG_MS = 3_600_000

t.test('a pause returns whether it ended by time or by its signal', async t => {
  t.equal(await elapsed(1), true)
  t.equal(await elapsed(LONG_MS, AbortSignal.abort()), false)
})

t.test('a signal with a deadline aborts by either, and leaves nothing on the older signal', async t => {
  const older = new AbortController()
  const late = signalOrDeadline(older.signal, 1)
  const withOlder = signalOrDeadline(older.signal, LONG_MS)
  await new Promise(resolve => late.signal.addEventListener('abort', resolve))
  t.equal(withOlder.signal.aborted, false)
  t.equal(getEventListeners(older.signal, 'abort').length, 1)

  older.abort(new Error('stop'))

  t.match(withOlder.signal.reason, { message: 'stop' })
  t.equal(signalOrDeadline(older.signal, LONG_MS).signal.aborted, true)
  t.equal(getEventListeners(older.signal, 'abort').length, 0)
})

t.test('a result counts if it comes in time', async t => {
  t.equal(await withinDeadline(Promise.resolve('here'), LONG_MS), 'here')
  t.equal(await withinDeadline(never, 1), undefined)
  await t.rejects(withinDeadline(Promise.reject(new Error('broken')), LONG_MS), { message: 'broken' })
})
