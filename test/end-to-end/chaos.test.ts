/**
 * An hour of faults by night, drawn by a seed, as by hand: `npm run chaos` (test/README.md). By day a few of them for some seconds, so that
 * what finds the next fault of the product does not decide whether another change may land.
 */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Report } from '../chaos/report.js'
import { planOf } from '../chaos/run.js'
import { withoutNginx } from '../harness/nginx.js'
import { byNight } from '../harness/nightly.js'
import { within } from '../harness/patience.js'
import { withoutFreezing } from '../harness/postgres.js'
import { startProgram } from '../harness/process.js'

const COMMAND = fileURLToPath(new URL('../chaos/command.js', import.meta.url))
const MINUTES = byNight(0.25, 60)
const CLIENTS = byNight(200, 500)
/** None: all of the plan. */
const CHOSEN = byNight(
  [
    'gateway-killed',
    'gateways-rolled',
    'listener-terminated',
    'nginx-reloaded',
    'postgres-killed',
    'upstream-reset',
  ],
  [],
)
const LEAST_DELIVERIES = byNight(1_000, 1_000_000)
/** Besides the time of the faults: to start, to let everything arrive, to check. */
const REST_MS = 120_000

const seed = Number(process.env.SLUICE_SEED ?? byNight(1, Date.now() % 1_000_000))
const skip = withoutNginx() || withoutFreezing()

t.test(
  `whatever breaks, every client gets every event once and in order (SLUICE_SEED=${seed})`,
  { skip },
  async t => {
    const folder = t.testdir()
    const args = [
      '--seed',
      `${seed}`,
      '--minutes',
      `${MINUTES}`,
      '--clients',
      `${CLIENTS}`,
      '--report',
      folder,
      ...CHOSEN.flatMap(name => ['--fault', name]),
    ]
    const run = startProgram(t, { program: COMMAND, args })
    const ending = once(run.channel, 'exit')
    const [code] = await within(
      MINUTES * 60_000 + REST_MS,
      ending,
      () => `The run did not end:\n${run.output()}`,
    )

    const report: Report = JSON.parse(await readFile(join(folder, 'chaos-report.json'), 'utf8'))
    t.equal(code, 0, run.output())
    t.strictSame([report.findings, report.anomalies], [0, []])
    t.ok(report.deliveries > LEAST_DELIVERIES, `${report.deliveries} deliveries`)
    t.ok(
      report.injected >= planOf({ minutes: MINUTES, ...(CHOSEN.length > 0 && { faults: CHOSEN }) }).length,
      `${report.injected} faults`,
    )
    t.comment(run.output())
  },
)
