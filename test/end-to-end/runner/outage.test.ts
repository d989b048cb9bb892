import t from 'tap'
import { isGone } from '../../harness/processes.js'
import { randomFrom } from '../../harness/random.js'
import {
  linesOf,
  runCommand,
  shortLease,
  startRunner,
  untilEnded,
  untilLine,
} from '../../harness/runner-program.js'
import { type Fault, startStandInGateway } from '../../harness/stand-in-gateway.js'
import { until } from '../../harness/until.js'

/** For a lease to end, and a job to be done again. */
const LEASE_PATIENCE_MS = 60_000

t.test('whatever breaks, each line is stored once and in order', async t => {
  const gateway = await startStandInGateway(t)
  await startRunner(t, gateway.url)
  const random = randomFrom(7)
  const faults: [Fault, ...Fault[]] = [
    { status: 503 },
    { status: 502 },
    { status: 429, retryAfter: 0 },
    { cut: 'before' },
    { cut: 'after' },
    { delayMs: 30 },
  ]
  let broken = 0
  gateway.fault = call => {
    // A claim whose answer is lost is found when its lease ends; that is another test's matter.
    if (call === 'claim' || random.integer(3) > 0) return undefined
    broken += 1
    return random.pick(faults)
  }

  const job = gateway.add({ command: 'seq 20000; seq 20000 >&2; exit 4' })

  t.match(await untilEnded(job, 60_000), { status: 'failed', attempt: 1, result: { exit_code: 4 } })
  const expected = Array.from({ length: 20_000 }, (_, n) => `${n + 1}`)
  t.strictSame(linesOf(job, 'stdout'), expected)
  t.strictSame(linesOf(job, 'stderr'), expected)
  t.ok(broken > 10)
})

t.test('a runner outlives its gateway: nothing is lost, nothing doubled', async t => {
  const gateway = await startStandInGateway(t)
  const runner = await startRunner(t, gateway.url)
  const job = gateway.add({ command: 'for i in $(seq 300); do echo $i; sleep 0.01; done' })

  for (const line of ['50', '150']) {
    await untilLine(job, line)
    await gateway.stop()
    await runner.until(/The gateway does not answer as it should/)
    await gateway.start()
  }

  t.match(await untilEnded(job), { status: 'completed', attempt: 1 })
  t.strictSame(
    linesOf(job),
    Array.from({ length: 300 }, (_, n) => `${n + 1}`),
  )
  t.match(await runCommand(gateway, { command: 'true' }), { status: 'completed' }, 'and claims again')
})

t.test('a report that was stored but not answered is not an error', async t => {
  const gateway = await startStandInGateway(t)
  const runner = await startRunner(t, gateway.url)
  let cuts = 1
  gateway.fault = call => {
    if (call !== 'complete' || cuts === 0) return undefined
    cuts -= 1
    return { cut: 'after' }
  }

  const job = await runCommand(gateway, { command: 'true' })

  await runner.until(/lost \(Refused: job-ended\.\)/)
  t.match(job, { status: 'completed', result: { exit_code: 0 } })
})

t.test(
  'while the gateway does not take output, the command stands still instead of memory growing',
  async t => {
    const gateway = await startStandInGateway(t)
    await startRunner(t, gateway.url)
    let [away, refused] = [true, 0]
    gateway.fault = call => {
      if (call !== 'events' || !away) return undefined
      refused += 1
      return { status: 503 }
    }
    const job = gateway.add({ command: `seq -f '%0999.0f' 20000; echo written` })

    // 20 MB would have been written long before.
    await until('the fifth refusal', () => refused >= 5)
    await until('the third heartbeat', () => job.heartbeats >= 3)
    t.equal(job.status, 'running')
    away = false

    t.match(await untilEnded(job), { status: 'completed' })
    t.equal(linesOf(job).length, 20_001)
  },
)

t.test('a frozen runner that resumes after its lease kills its command, and goes on', async t => {
  const gateway = await startStandInGateway(t)
  const frozen = await startRunner(t, gateway.url, { args: ['--name', 'frozen', '--lease', shortLease()] })
  const job = gateway.add({ command: 'echo $$; [ "$SLUICE_JOB_ATTEMPT" = 2 ] || exec yes' })
  await untilLine(job, 'y')
  const [pid] = linesOf(job)

  frozen.signal('SIGSTOP')
  await startRunner(t, gateway.url, { args: ['--name', 'second'] })
  await untilEnded(job, LEASE_PATIENCE_MS)
  const stored = job.events.length
  frozen.signal('SIGCONT')

  await until('its command is gone', () => isGone(Number(pid)))
  await frozen.until(/lost \(Refused: lease-lost\.\)/)
  t.equal(job.events.length, stored, 'nothing of the first attempt came after the second')
  t.match(job, { status: 'completed', runner: 'second', attempt: 2 })
})

t.test('a runner that is killed takes its commands with it; another one does the job', async t => {
  const gateway = await startStandInGateway(t)
  const first = await startRunner(t, gateway.url, { args: ['--lease', shortLease()] })
  const job = gateway.add({ command: 'echo $$; [ "$SLUICE_JOB_ATTEMPT" = 2 ] || exec sleep 1000' })
  await until('its pid', () => job.events.length > 0)

  first.signal('SIGKILL')
  await first.ended()
  await until('its command is gone', () => isGone(Number(linesOf(job)[0])))
  await startRunner(t, gateway.url)

  t.match(await untilEnded(job, LEASE_PATIENCE_MS), { status: 'completed', attempt: 2 })
})
