import { realpath } from 'node:fs/promises'
import t from 'tap'
import { patient } from '../../harness/patience.js'
import { isGone } from '../../harness/processes.js'
import {
  linesOf,
  runCommand,
  startRunner,
  temporaryDir,
  untilEnded,
  untilLine,
} from '../../harness/runner-program.js'
import { startStandInGateway } from '../../harness/stand-in-gateway.js'
import { until } from '../../harness/until.js'

t.test('a command runs in the folder; its lines and its result are stored', async t => {
  const gateway = await startStandInGateway(t)
  const dir = await temporaryDir(t)
  await startRunner(t, gateway.url, { dir })

  const job = await runCommand(gateway, {
    command: 'pwd; for i in 1 2 3; do echo $i; echo e$i >&2; done; printf end',
  })

  t.match(job, {
    status: 'completed',
    attempt: 1,
    result: { exit_code: 0, signal: null, duration_ms: Number },
  })
  t.notOk('timed_out' in (job.result ?? {}))
  t.strictSame(linesOf(job, 'stdout'), [await realpath(dir), '1', '2', '3', 'end'])
  t.strictSame(linesOf(job, 'stderr'), ['e1', 'e2', 'e3'])
  t.strictSame(job.events[0], {
    type: 'output',
    data: { line: await realpath(dir), stream: 'stdout' },
    attempt: 1,
  })
})

t.test('a command gets its own variables and the listed ones of the runner', async t => {
  const gateway = await startStandInGateway(t)
  const listed = { HOME: '/nowhere', LANG: 'C.UTF-8', LC_TIME: 'C', TZ: 'UTC', TERM: 'dumb' }
  const secrets = {
    JWT_SECRET: 's1',
    DATABASE_URL: 's2',
    AWS_SECRET_ACCESS_KEY: 's3',
  }
  const named = { COLOUR: 'blue', SIZE: 'small', APP_A: '1', APP_B: '2' }
  const env = { ...listed, ...secrets, ...named, APPLE: 's4', SLUICE_URL: gateway.url }
  await startRunner(t, gateway.url, { env: { ...env, SLUICE_PASS_ENV: 'COLOUR, SIZE,APP_*,UNSET' } })

  const job = await runCommand(gateway, { command: 'env', env: { SIZE: 'large' } })

  const own = { SIZE: 'large', SLUICE_JOB_ID: job.id, SLUICE_JOB_ATTEMPT: '1' }
  const expected = { PATH: process.env.PATH, ...listed, ...named, ...own }
  const got = Object.fromEntries(linesOf(job).map(line => line.split(/=(.*)/s).slice(0, 2)))
  for (const [name, value] of Object.entries(expected)) t.equal(got[name], value, name)
  for (const name of [...Object.keys(secrets), 'APPLE', 'SLUICE_URL', 'SLUICE_TOKEN', 'SLUICE_PASS_ENV']) {
    t.notOk(name in got, name)
  }
})

t.test('the token is not passed to commands even if all variables are', async t => {
  const gateway = await startStandInGateway(t)
  await startRunner(t, gateway.url, { args: ['--pass-env', '*'], env: { JWT_SECRET: 'as you like' } })

  const lines = linesOf(await runCommand(gateway, { command: 'env' }))

  t.ok(lines.includes('JWT_SECRET=as you like'))
  t.notOk(lines.some(line => line.startsWith('SLUICE_TOKEN')))
})

t.test('a command fails with its exit code or its signal', async t => {
  const gateway = await startStandInGateway(t)
  await startRunner(t, gateway.url, { args: ['--concurrency', '2'] })

  const [coded, killed] = await Promise.all([
    runCommand(gateway, { command: 'exit 7' }),
    runCommand(gateway, { command: 'kill -SEGV $$' }),
  ])

  t.match(coded, { status: 'failed', result: { exit_code: 7, signal: null } })
  t.match(killed, { status: 'failed', result: { exit_code: null, signal: 'SIGSEGV' } })
})

t.test('a payload that is no command fails with the reason', async t => {
  const gateway = await startStandInGateway(t)
  await startRunner(t, gateway.url)

  const [none, wrong, unknown] = [
    await runCommand(gateway, {}),
    await runCommand(gateway, { command: 'true', env: { PATH: 1 } }),
    await runCommand(gateway, { command: 'true', cwd: '/etc' }),
  ]

  for (const job of [none, wrong, unknown]) t.match(job, { status: 'failed', result: { exit_code: null } })
  t.match(none.result?.error, /not a command: .*command/)
  t.match(wrong.result?.error, /env\.PATH/)
})

t.test('a deleted folder fails the job, not the runner', async t => {
  const gateway = await startStandInGateway(t)
  const dir = await temporaryDir(t)
  await startRunner(t, gateway.url, { dir })
  await runCommand(gateway, { command: 'rmdir "$PWD"' })

  const job = await runCommand(gateway, { command: 'true' })

  t.match(job, { status: 'failed', result: { error: /ENOENT/ } })
  t.ok((await runCommand(gateway, {})).result, 'and it goes on')
})

t.test('a command that takes too long is killed, and its output is stored', async t => {
  const gateway = await startStandInGateway(t)
  await startRunner(t, gateway.url, { args: ['--concurrency', '2'] })

  // Long enough for a shell to begin, on a busy machine too.
  const late = patient(2_000)
  const [byPayload, byJob] = [
    gateway.add({ command: 'echo begun; sleep 1000', timeout_ms: late }),
    gateway.add({ command: `trap 'exit 0' TERM; echo begun; sleep 1000 & wait` }, late),
  ]

  t.match(await untilEnded(byPayload, 15_000 + late), {
    status: 'failed',
    result: { signal: 'SIGTERM', timed_out: true },
  })
  t.match(await untilEnded(byJob, 15_000 + late), {
    status: 'failed',
    result: { exit_code: 0, timed_out: true },
  })
  for (const job of [byPayload, byJob]) t.strictSame(linesOf(job), ['begun'])
})

t.test('cancelling a job kills its command and all its child processes at the next heartbeat', async t => {
  const gateway = await startStandInGateway(t)
  const runner = await startRunner(t, gateway.url)
  const job = gateway.add({ command: 'sleep 1000 & echo $!; echo $$; wait' })
  await until('both lines', () => job.events.length === 2)
  const beats = job.heartbeats

  gateway.cancel(job)

  for (const pid of linesOf(job)) await until(`${pid} is gone`, () => isGone(Number(pid)))
  t.equal(job.heartbeats, beats)
  t.equal(job.result, null, 'nothing is reported')
  await runner.until(/lost \(Refused: job-ended\.\)/)
  t.match(await runCommand(gateway, { command: 'true' }), { status: 'completed' }, 'and it goes on')
})

t.test('a cancelled command that writes without end is killed although its output is not read', async t => {
  const gateway = await startStandInGateway(t)
  await startRunner(t, gateway.url)
  const job = gateway.add({ command: 'echo $$; exec yes' })
  await untilLine(job, 'y')

  gateway.cancel(job)

  await until('it is gone', () => isGone(Number(linesOf(job)[0])))
  t.match(await runCommand(gateway, { command: 'true' }), { status: 'completed' })
})

t.test('a runner runs as many commands at once as configured, and no more', async t => {
  const gateway = await startStandInGateway(t)
  await startRunner(t, gateway.url, { args: ['--concurrency', '3'] })
  const command = 'until [ -e go ]; do sleep 0.05; done'
  const jobs = Array.from({ length: 7 }, () => gateway.add({ command }))
  const running = () => jobs.filter(({ status }) => status === 'running').length

  await until('three run', () => running() === 3)
  await until('heartbeats of each', () => jobs.slice(0, 3).every(({ heartbeats }) => heartbeats > 0))
  t.equal(running(), 3)
  gateway.cancel(jobs[0] as (typeof jobs)[0])
  await until('another has begun', () => jobs[3]?.status === 'running')
  for (const job of jobs) gateway.cancel(job)
  t.pass()
})
