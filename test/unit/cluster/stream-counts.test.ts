/** The counts that a heartbeat carries. */
import t from 'tap'
import { changedCounts } from '../../../src/cluster/stream-counts.js'
import type { StreamId } from '../../../src/log/event.js'

t.test('only changes are sent, and a stream without clients as 0', async t => {
  const before = new Map([1, 2, 3].map(id => [id as StreamId, 5]))
  const now = new Map([2, 3, 4].map(id => [id as StreamId, id === 3 ? 6 : 5]))

  t.strictSame(Object.fromEntries(changedCounts(before, now)), { 1: 0, 3: 6, 4: 5 })
  t.strictSame(Object.fromEntries(changedCounts(undefined, now)), { 2: 5, 3: 6, 4: 5 })
})
