import t from 'tap'
import { rollingDeploy } from '../../bench/rolling-deploy.js'
import { byNight } from '../harness/nightly.js'

const CLIENTS = byNight(240, 10_000)
/** docs/operations.md states these bounds. By day the machine does other things at the same time. */
const LONGEST_SECONDS = byNight(Number.POSITIVE_INFINITY, 90)
const MOST_CONNECTS = byNight(Number.POSITIVE_INFINITY, 600)
const MOST_LOG_READS = 200

t.test('when all gateways are replaced, one after the other, no client loses an event', async t => {
  const { seconds, events, faults, behind, connects, refusals, ...reads } = await rollingDeploy({
    clients: CLIENTS,
  })
  const logReads = reads.clientReads + reads.tailerReads

  const each = connects.map(bySecond => Array.from(bySecond, count => count ?? 0))
  const reconnected = each.flat().reduce((sum, count) => sum + count, 0)
  t.comment(`${CLIENTS} clients, ${events} events, ${seconds.toFixed(1)} s, ${logReads} reads of the log`)
  t.comment(`connects by second and gateway: ${each.map(counts => counts.join(' ')).join(' | ')}`)
  t.strictSame({ faults, behind }, { faults: [], behind: 0 })
  t.ok(reconnected >= CLIENTS, 'every client had to move')
  t.ok(refusals <= CLIENTS, 'seldom to a gateway that was stopping')
  t.ok(logReads <= MOST_LOG_READS, `${logReads} reads of the log`)
  t.ok(Math.max(...each.flat()) <= MOST_CONNECTS)
  t.ok(seconds <= LONGEST_SECONDS)
})
