/** A minute of faults drawn by a seed. Longer runs: `npm run chaos` (test/README.md). */
import { join } from 'node:path'
import t from 'tap'
import { asMarkdown, reportOf } from '../chaos/report.js'
import { planOf, runChaos } from '../chaos/run.js'
import { withoutNginx } from '../harness/nginx.js'
import { byNight } from '../harness/nightly.js'
import { withoutFreezing } from '../harness/postgres.js'

const MINUTES = byNight(1, 60)
const CLIENTS = 500
const LEAST_DELIVERIES = 10_000

const seed = Number(process.env.SLUICE_SEED ?? Date.now() % 1_000_000)
const skip = withoutNginx() || withoutFreezing()

t.test(
  `whatever breaks, every client gets every event once and in order (SLUICE_SEED=${seed})`,
  { skip },
  async t => {
    const folder = join(t.testdir(), 'history')

    const outcome = await runChaos({
      seed,
      minutes: MINUTES,
      clients: CLIENTS,
      folder,
      say: line => t.comment(line),
    })

    const report = reportOf(outcome)
    t.equal(report.findings, 0, asMarkdown(report))
    t.strictSame(report.anomalies, [])
    t.ok(report.deliveries > LEAST_DELIVERIES, `${report.deliveries} deliveries`)
    t.ok(report.injected >= planOf({ minutes: MINUTES }).length, `${report.injected} faults`)
    t.comment(asMarkdown(report))
  },
)
