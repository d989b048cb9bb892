/**
 * A minute of faults by day, an hour of more of them by night, as by hand: `npm run chaos` (test/README.md). By night the seed is drawn.
 * By day it is fixed, so that each change is judged by the same faults.
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
import { seedOfRun } from '../harness/seed.js'
import { withoutShortages } from '../harness/shortages.js'

const COMMAND = fileURLToPath(new URL('../chaos/command.js', import.meta.url))
const MINUTES = byNight(1, 60)
const CLIENTS = byNight(250, 500)
const LEAST_DELIVERIES = byNight(10_000, 1_000_000)
/** Besides the time of the faults: to start, to let everything arrive, to check. */
const REST_MS = 120_000

const seed = seedOfRun(1)
const skip = withoutNginx() || withoutFreezing() || withoutShortages()

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
      '--deliveries',
      `${LEAST_DELIVERIES}`,
      '--report',
      folder,
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
    t.ok(report.deliveries >= LEAST_DELIVERIES, `${report.deliveries} deliveries`)
    t.ok(report.injected >= planOf({ minutes: MINUTES }).length, `${report.injected} faults`)
    t.comment(run.output())
  },
)
