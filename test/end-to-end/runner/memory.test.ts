import t from 'tap'
import { residentMiB } from '../../harness/processes.js'
import { runCommand, startRunner } from '../../harness/runner-program.js'
import { startStandInGateway } from '../../harness/stand-in-gateway.js'
import { until } from '../../harness/until.js'

/** With their ends, 100 MB. */
const LINES = 100_000
const LINE_LENGTH = 999
const PATIENCE_MS = 100_000
/** How much V8 leaves lying before it looks: versions of Node differ by more than what is measured here. */
const YOUNG = { NODE_OPTIONS: '--max-semi-space-size=16' }

t.test('100 MB of output go through in order, in bounded memory, though the gateway is slow', async t => {
  const gateway = await startStandInGateway(t)
  const runner = await startRunner(t, gateway.url, { env: YOUNG })
  await runCommand(gateway, { command: `seq -f '%0${LINE_LENGTH}.0f' ${LINES / 10}` })
  const before = residentMiB(runner.pid)
  let [most, calls] = [0, 0]
  gateway.fault = call => {
    calls += 1
    if (call !== 'events' || calls % 25 > 0) return undefined
    most = Math.max(most, residentMiB(runner.pid))
    return { delayMs: 50 }
  }
  let [stored, wrong] = [0, 0]

  const job = gateway.add({ command: `seq -f '%0${LINE_LENGTH}.0f' ${LINES}` })
  const takeEvents = () => {
    for (const { data } of job.events.splice(0)) {
      stored += 1
      if (data.line.length !== LINE_LENGTH || Number(data.line) !== stored) wrong += 1
    }
    job.keys.clear()
    return job.status === 'completed'
  }
  await until('the end of the job', takeEvents, PATIENCE_MS)

  t.strictSame({ stored, wrong }, { stored: LINES, wrong: 0 }, 'each line once and in order')
  // Held as it came it would be 100 MiB, and more as events in a queue.
  t.ok(most - before < 120, `from ${before} to ${most} MiB`)
})
