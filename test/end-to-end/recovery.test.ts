/** What the bench `recovery` measures, as facts: clients miss nothing, and afterwards the gateway holds no more than before. */
import t from 'tap'
import { startBreakable } from '../../bench/breakable.js'
import { Crowd } from '../../bench/crowd.js'
import { drain } from '../../bench/drain.js'
import { backAtBase, restingHoldings } from '../../bench/holdings.js'
import { outage } from '../../bench/outage.js'
import { SqlPublisher } from '../../bench/sql-publisher.js'
import { byNight } from '../harness/nightly.js'
import { patient } from '../harness/patience.js'
import { withoutFreezing } from '../harness/postgres.js'

const CLIENTS = byNight(100, 2_000)
const DOWN_MS = byNight(500, 10_000)
const ROUNDS = byNight(1, 5)
const LOOKS = byNight(5, 12)
/** On a quiet machine; docs/guarantees.md states it. By day the machine does other things at the same time. */
const LONGEST_DRAIN_MS = byNight(Number.POSITIVE_INFINITY, 15_000)
/** Of the heap and of resident memory: what the collector of garbage leaves is not the same each time. */
const HEAP_BYTES = 8e6
const RESIDENT_BYTES = 60e6

// The pools fill and empty by load, so that on a busy machine the base of one moment is below that of another.
if (byNight(false, true))
  t.test(
    'after Postgres was away under open streams, a gateway holds no more than before',
    { skip: withoutFreezing() },
    async t => {
      const gateway = await startBreakable()
      t.teardown(() => gateway.close())
      const { server } = gateway
      const publisher = new SqlPublisher()
      const round = async () => {
        const crowd = new Crowd()
        try {
          await crowd.open(CLIENTS, { server, places: [{ first: publisher.sent.length }] })
          // A client that misses an event, gets one twice, or whose stream ends, fails the round.
          for (const how of ['stopped', 'killed', 'frozen'] as const) {
            const { lastMs, opensMs } = await outage({ gateway, crowd, publisher, how, downMs: DOWN_MS })
            t.comment(
              `${how}: ${Math.round(lastMs)} ms to the last client, ${Math.round(opensMs)} ms to a new one`,
            )
          }
        } finally {
          await crowd.close()
        }
      }
      await round()
      const base = await restingHoldings(gateway, LOOKS)

      for (let n = 0; n < ROUNDS; n += 1) await round()

      const { held, more } = await backAtBase(gateway, base)
      t.strictSame(more, [], JSON.stringify({ base, held }))
      t.ok(held.heapBytes <= base.heapBytes + HEAP_BYTES, `heap: ${base.heapBytes}, then ${held.heapBytes}`)
      t.ok(
        held.residentBytes <= base.residentBytes + RESIDENT_BYTES,
        `resident: ${base.residentBytes}, then ${held.residentBytes}`,
      )
    },
  )

t.test(
  'at SIGTERM all clients go on at another gateway, which holds no more of Postgres afterwards',
  async t => {
    const { endedAfter, resumedAfter, returned, backends } = await drain(CLIENTS, { DRAIN_DELAY_MS: '500' })

    t.comment(
      `${CLIENTS} clients: ended after ${endedAfter.toFixed(1)} s, resumed after ${resumedAfter.toFixed(1)} s`,
    )
    t.equal(returned, CLIENTS)
    t.ok(backends.after <= backends.before, JSON.stringify(backends))
    t.ok(
      Math.max(endedAfter, resumedAfter) * 1_000 <= patient(LONGEST_DRAIN_MS),
      `ended after ${endedAfter} s, resumed after ${resumedAfter} s`,
    )
  },
)
