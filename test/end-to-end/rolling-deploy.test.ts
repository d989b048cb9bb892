import t from 'tap'
import { rollingDeploy } from '../../bench/rolling-deploy.js'
import { byNight } from '../harness/nightly.js'
import { patient } from '../harness/patience.js'

/** By day all gateways are replaced three times in a row; by night once under many clients, and ten times in a row. */
const DEPLOYS = byNight(
  [{ clients: 90, rounds: 3 }],
  [
    { clients: 10_000, rounds: 1 },
    { clients: 1_000, rounds: 10 },
  ],
)
/** docs/operations.md states these bounds, for a quiet machine. By day the machine does other things at the same time. */
const LONGEST_MS = byNight(Number.POSITIVE_INFINITY, 90_000)
const MOST_CONNECTS = byNight(Number.POSITIVE_INFINITY, 600)
const MOST_LOG_READS = 200
/** Three gateways, each with all of its pools in full use. In thirty deploys with 300 clients there were 30 at most, and no trend. */
const MOST_BACKENDS = 3 * 18

for (const { clients, rounds: count } of DEPLOYS) {
  t.test('when all gateways are replaced, one after the other, no client loses an event', async t => {
    const { events, faults, behind, connects, refusals, rounds, ...reads } = await rollingDeploy({
      clients,
      rounds: count,
    })
    const logReads = reads.clientReads + reads.tailerReads

    const each = connects.map(bySecond => Array.from(bySecond, count => count ?? 0))
    const reconnected = each.flat().reduce((sum, count) => sum + count, 0)
    const longest = Math.max(...rounds.map(({ seconds }) => seconds))
    t.comment(
      `${clients} clients, ${count} times, ${events} events, ${longest.toFixed(1)} s, ${logReads} reads`,
    )
    t.comment(`connects by second and gateway: ${each.map(counts => counts.join(' ')).join(' | ')}`)
    t.strictSame({ faults, behind }, { faults: [], behind: 0 })
    t.ok(reconnected >= clients * count, 'every client had to move')
    t.ok(refusals <= clients * count, 'seldom to a gateway that was stopping')
    t.ok(logReads <= MOST_LOG_READS * count, `${logReads} reads of the log`)
    t.ok(Math.max(...each.flat()) <= MOST_CONNECTS)
    t.ok(longest * 1_000 <= patient(LONGEST_MS), `the longest took ${longest} s`)
    t.strictSame(
      rounds.map(({ left }) => left),
      rounds.map(() => 0),
      'no connection of a process that was replaced is left',
    )
    t.ok(
      rounds.every(({ backends }) => backends <= MOST_BACKENDS),
      `backends after each: ${rounds.map(({ backends }) => backends).join(' ')}`,
    )
  })
}
