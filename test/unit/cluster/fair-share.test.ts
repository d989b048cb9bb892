/** What a node reports when it has more than it can report. */
import t from 'tap'
import { fairShare } from '../../../src/cluster/fair-share.js'

const entries = (workspace: string, ids: readonly number[]) => ids.map(id => ({ id, workspace }))
const idsOf = (found: readonly { readonly id: number }[]) => found.map(({ id }) => id).sort()

t.test('all entries, or an equal share for each workspace', async t => {
  const many = entries('many', [1, 2, 3, 4, 5, 6])
  const all = [...many, ...entries('few', [7]), ...entries('some', [8, 9])]

  t.strictSame(idsOf(fairShare(all, 9)), [1, 2, 3, 4, 5, 6, 7, 8, 9])
  t.strictSame(idsOf(fairShare(all, 3)), [1, 7, 8])
  t.strictSame(idsOf(fairShare(all, 6)), [1, 2, 3, 7, 8, 9], 'what some do not need goes to the others')
  t.strictSame(idsOf(fairShare([...many].reverse(), 2)), [5, 6])
})
