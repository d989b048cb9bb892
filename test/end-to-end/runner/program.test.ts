import { symlink, writeFile } from 'node:fs/promises'
import t from 'tap'
import { read, rows, section } from '../../harness/document.js'
import { freePort } from '../../harness/port.js'
import { startProgram } from '../../harness/process.js'
import { isGone } from '../../harness/processes.js'
import {
  launchRunner,
  linesOf,
  startRunner,
  temporaryDir,
  untilEnded,
  untilLine,
} from '../../harness/runner-program.js'
import { startStandInGateway } from '../../harness/stand-in-gateway.js'
import { until } from '../../harness/until.js'

t.test('a runner without jobs stops at once', async t => {
  const gateway = await startStandInGateway(t)
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    const runner = await startRunner(t, gateway.url)

    runner.signal(signal)

    t.equal(await runner.ended(), 0, signal)
  }
})

t.test('after a stop signal a runner takes no new job and finishes the jobs that it has', async t => {
  const gateway = await startStandInGateway(t)
  const dir = await temporaryDir(t)
  const runner = await startRunner(t, gateway.url, { dir, args: ['--concurrency', '2'] })
  const job = gateway.add({ command: 'echo begun; until [ -e go ]; do sleep 0.05; done; echo ended' })
  await untilLine(job, 'begun')

  runner.signal('SIGTERM')
  await runner.until(/Stopping when 1 running jobs have ended, or in 20 s/)
  await until('its claim is withdrawn', () => gateway.claims() === 0)
  const late = gateway.add({ command: 'true' })
  await writeFile(`${dir}/go`, '')

  t.equal(await runner.ended(), 0)
  t.match(job, { status: 'completed', result: { exit_code: 0 } })
  t.strictSame(linesOf(job), ['begun', 'ended'])
  t.match(late, { status: 'queued', attempt: 0 })
})

t.test(
  'after the grace time a runner kills running commands, and hands the jobs back with their output',
  async t => {
    const gateway = await startStandInGateway(t)
    const runner = await startRunner(t, gateway.url, { args: ['--grace', '1', '--concurrency', '2'] })
    const jobs = [1, 2].map(() =>
      gateway.add({ command: `trap 'echo last words; exit 0' TERM; echo $$; sleep 1000 & wait` }),
    )
    for (const job of jobs) await until('its pid', () => job.events.length > 0)

    runner.signal('SIGTERM')

    t.equal(await runner.ended(), 0)
    for (const job of jobs) {
      t.match(job, { status: 'queued', attempt: 1, result: null })
      t.equal(linesOf(job)[1], 'last words')
      t.ok(isGone(Number(linesOf(job)[0])))
    }
  },
)

// npm may hand on a Ctrl-C that the terminal has told the runner too.
t.test('signals that arrive together count as one and kill no command', async t => {
  const gateway = await startStandInGateway(t)
  const dir = await temporaryDir(t)
  const runner = await startRunner(t, gateway.url, { dir, args: ['--grace', '3600'] })
  const job = gateway.add({ command: 'echo begun; until [ -e go ]; do sleep 0.05; done' })
  await untilLine(job, 'begun')

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) runner.signal(signal)
  await runner.until(/Stopping/)
  await writeFile(`${dir}/go`, '')

  t.equal(await runner.ended(), 0)
  t.match(job, { status: 'completed', result: { exit_code: 0 } })
})

t.test('a later signal ends the grace time', async t => {
  const gateway = await startStandInGateway(t)
  const runner = await startRunner(t, gateway.url, { args: ['--grace', '3600'] })
  const job = gateway.add({ command: 'echo begun; exec sleep 1000' })
  await untilLine(job, 'begun')

  await until('it hands the job back', () => {
    runner.signal('SIGTERM')
    return job.status === 'queued'
  })

  t.equal(await runner.ended(), 0)
})

t.test('a job that cannot be handed back is reported and left to its lease', async t => {
  const gateway = await startStandInGateway(t)
  const runner = await startRunner(t, gateway.url, { args: ['--grace', '0'] })
  const job = gateway.add({ command: 'echo $$; exec sleep 1000' })
  await until('its pid', () => job.events.length > 0)
  await gateway.stop()

  runner.signal('SIGTERM')

  t.equal(await runner.ended(), 1)
  t.match(runner.output(), /lost \(it could not be handed back in time\)/)
  t.match(runner.output(), /Their leases end by themselves/)
  t.ok(isGone(Number(linesOf(job)[0])))
})

t.test('an unreachable gateway is reported at the start', async t => {
  const runner = await launchRunner(t, `http://127.0.0.1:${await freePort()}`)

  t.equal(await runner.ended(), 1)
  t.equal(
    runner.output(),
    'The gateway cannot be reached: ECONNREFUSED. Check --url or SLUICE_URL, and that it runs.\n',
  )
})

t.test('the start waits for an overloaded gateway', async t => {
  const gateway = await startStandInGateway(t)
  let refusals = 2
  gateway.fault = () => (refusals-- > 0 ? { status: 503 } : undefined)
  const job = gateway.add({ command: 'true' })

  await startRunner(t, gateway.url)

  t.match(await untilEnded(job), { status: 'completed' })
})

t.test('a refused token is reported, at the start and later', async t => {
  const gateway = await startStandInGateway(t)
  const wrong = await launchRunner(t, gateway.url, { token: 'wrong' })
  t.equal(await wrong.ended(), 1)
  t.match(wrong.output(), /^The gateway refuses this runner \(401 token-invalid\)\. .* Check SLUICE_TOKEN/)
  t.notMatch(wrong.output(), 'wrong')

  const runner = await startRunner(t, gateway.url)
  const job = gateway.add({ command: 'echo $$; exec sleep 1000' })
  await until('its pid', () => job.events.length > 0)
  gateway.fault = () => ({ status: 401 })

  t.equal(await runner.ended(), 1)
  t.match(runner.output(), /Check SLUICE_TOKEN/)
  t.ok(isGone(Number(linesOf(job)[0])))
})

t.test('wrong usage is refused with the remedy, and a token in the arguments is not accepted', async t => {
  const dir = await temporaryDir(t)
  // Nobody can look into it, not even root.
  await symlink('loop', `${dir}/loop`)
  const good = ['runner', '--project', 'site', '--dir', dir]
  const env = { SLUICE_TOKEN: 'token' }
  const cases = [
    [{ args: ['runner'], env }, /^--project is missing\.|^--dir is missing\./],
    [{ args: [...good.slice(0, 3), '--dir', `${dir}/none`], env }, /none is not a folder/],
    [{ args: [...good.slice(0, 3), '--dir', `${dir}/loop`], env }, /^--dir: .*loop cannot be used \(ELOOP/],
    [{ args: [...good, '--concurrency', '0'], env }, /^--concurrency must be a whole number from 1 to 64\./],
    [{ args: [...good, '--lease', '5s'], env }, /^--lease must be a whole number from 5 to 300\./],
    [{ args: [...good, '--url', 'localhost:8080'], env }, /^--url must begin with http/],
    [{ args: [...good, '--token', 'x'], env }, /'--token'/],
    [{ args: [...good, '--pass-env', 'CI,A B'], env }, /^--pass-env takes names/],
    [{ args: [...good, '--pass-env', 'SLUICE_TOKEN'], env }, /SLUICE_TOKEN is never passed/],
    [{ args: good }, /^SLUICE_TOKEN is not set\./],
  ] as const

  for (const [options, complaint] of cases) {
    const runner = startProgram(t, options)
    t.equal(await runner.ended(), 2)
    t.match(runner.output(), complaint)
    t.match(
      runner.output(),
      /^Usage: sluice runner \[options\]\nAll options and examples: sluice runner --help$/m,
    )
  }
})

t.test('--help and the document list the same options', async t => {
  const help = startProgram(t, { args: ['runner', '--help'] })

  t.equal(await help.ended(), 0)

  const offered = [...help.output().matchAll(/^ {2}--([\w-]+ [\w=]+)\s/gm)].map(([, option]) => option)
  const documented = rows(section(read('docs/runner.md'), '## Starting and stopping')).map(([first = '']) =>
    first.replace(/`--(.*)`/, '$1'),
  )
  t.strictSame(offered, documented)
})
