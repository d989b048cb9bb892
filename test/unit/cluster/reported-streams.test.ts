/** The streams that a node reports when it has more than a heartbeat can carry. */
import t from 'tap'
import { changedCounts, reportedStreams } from '../../../src/cluster/reported-streams.js'
import type { StreamId } from '../../../src/log/event.js'

const streams = (workspace: string, ids: readonly number[]) =>
  ids.map(id => ({ id: id as StreamId, workspace, clients: 1 }))
const idsOf = (found: ReturnType<typeof reportedStreams>) => found.map(({ id }) => Number(id)).sort()

t.test('all streams, or an equal share for each workspace', async t => {
  const many = streams('many', [1, 2, 3, 4, 5, 6])
  const all = [...many, ...streams('few', [7]), ...streams('some', [8, 9])]

  t.strictSame(idsOf(reportedStreams(all, 9)), [1, 2, 3, 4, 5, 6, 7, 8, 9])
  t.strictSame(idsOf(reportedStreams(all, 3)), [1, 7, 8])
  t.strictSame(idsOf(reportedStreams(all, 6)), [1, 2, 3, 7, 8, 9], 'what some do not need goes to the others')
  t.strictSame(idsOf(reportedStreams([...many].reverse(), 2)), [5, 6])
})

t.test('only changes are sent, and a stream without clients as 0', async t => {
  const before = new Map([1, 2, 3].map(id => [id as StreamId, 5]))
  const now = new Map([2, 3, 4].map(id => [id as StreamId, id === 3 ? 6 : 5]))

  t.strictSame(Object.fromEntries(changedCounts(before, now)), { 1: 0, 3: 6, 4: 5 })
  t.strictSame(Object.fromEntries(changedCounts(undefined, now)), { 2: 5, 3: 6, 4: 5 })
})
