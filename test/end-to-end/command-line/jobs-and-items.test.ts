import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { runCommand } from '../../harness/command.js'
import { gatewayEnvironment, ownFolder } from '../../harness/command-line.js'
import { startGateway } from '../../harness/gateway.js'
import { startProgram } from '../../harness/process.js'
import { startRunner } from '../../harness/runner-program.js'
import { token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

t.test(
  'a command runs as if it ran here: its output, its exit status, and the reason if it has none',
  async t => {
    const { url } = await startGateway(t)
    await startRunner(t, url, { token: token({ role: 'runner', workspace: 'acme', sub: 'runner' }) })
    const env = { ...gatewayEnvironment(url), SLUICE_PROJECT: 'site' }
    const run = (...args: string[]) => runCommand(['job', 'run', ...args], env)

    const answers = {
      failing: await run('--env', 'NAME=a b', '--', 'printf "\\033[1m$NAME\\n"; echo oops >&2; exit 3'),
      words: await run('echo', "it's", 'a  b'),
      killed: await run('--', 'kill -SEGV $$'),
      late: await run('--timeout', '1s', '--', 'sleep 30'),
      refused: await run('--id', 'a/b', '--', 'true'),
      viewer: await runCommand(['job', 'run', '--', 'true'], {
        ...env,
        ...gatewayEnvironment(url, 'viewer'),
      }),
      usage: await run('--env', 'NAME', '--', 'true'),
      nothing: await run('--'),
      noProject: await runCommand(['job', 'run', '--', 'true'], gatewayEnvironment(url)),
    }

    t.match(answers, {
      failing: { code: 3, out: '\u001b[1ma b\n', told: /is queued in the project site\noops\n$/ },
      words: { code: 0, out: "it's a  b\n" },
      killed: { code: 139, told: /the job ended: SIGSEGV\n$/ },
      late: { code: 124, told: /the job ended: timeout\n$/ },
      refused: { code: 126, told: /^body\/id must be .*\(400 invalid-request\)\n$/ },
      viewer: { code: 126, told: /\(403 role-too-low\) The credential is from SLUICE_TOKEN/ },
      usage: { code: 2, told: /^--env must be NAME=VALUE/ },
      nothing: { code: 2, told: /^COMMAND is missing: the command/ },
      noProject: { code: 2, told: /^--project is missing, or the environment variable SLUICE_PROJECT\./ },
    })
  },
)

t.test(
  'Ctrl-C cancels the job and waits for its end, or leaves it running; its output can be read later',
  async t => {
    const { url } = await startGateway(t)
    await startRunner(t, url, { token: token({ role: 'runner', workspace: 'acme', sub: 'runner' }) })
    const env = { ...gatewayEnvironment(url), SLUICE_PROJECT: 'site' }
    const run = (...args: string[]) => startProgram(t, { args: ['job', 'run', ...args], env })
    const job = (...args: string[]) => runCommand(['job', ...args], env)

    const cancelled = run('--id', 'one', '--', 'echo one; sleep 60')
    await cancelled.until(/^one$/m)
    cancelled.signal('SIGINT')
    // It does not end before it is left.
    const mayEnd = join(await ownFolder(t), 'may-end')
    const command = `echo two; until [ -e '${mayEnd}' ]; do sleep 0.1; done; printf "\\tend"`
    const left = run('--id', 'two', '--on-interrupt', 'leave', '--', command)
    t.equal(await cancelled.ended(), 143)
    await left.until(/^two$/m)
    left.signal('SIGINT')
    t.equal(await left.ended(), 130)
    await writeFile(mayEnd, '')

    const followed = await job('logs', '-f', 'two')
    const logs = await job('logs', 'one')
    const tailed = await runCommand(['tail', 'job', 'two'], env)
    const shown = await job('show', 'two', '--json')
    const listed = await job('list', '--status', 'cancelled')
    const lines = await job('list', '--limit', '1', '--json')
    const again = await job('cancel', 'one')
    const detached = await job('run', '--id', 'three', '--detach', '--project', 'nobody', '--', 'true')
    const dropped = await job('cancel', 'three')

    t.match(
      cancelled.output(),
      /cancelling the job one; Ctrl-C again leaves at once\n[\s\S]*the job ended: cancelled\n$/,
    )
    t.match(left.output(), /the job goes on\. Follow it: sluice job logs -f two\n$/)
    t.match(followed, { code: 0, out: 'two\n\tend\n', told: '' })
    t.match(tailed, { code: 0, out: / job\.created [\s\S]* job\.completed \{.*\}\n$/ })
    t.match(logs, { code: 0, out: 'one\n' })
    t.match(JSON.parse(shown.out), { id: 'two', status: 'completed', result: { exit_code: 0 } })
    t.match(listed.out, /^ID +STATUS .*\none +cancelled +command +site /)
    t.equal(lines.out.trim().split('\n').length, 1)
    t.match(again, { code: 3, told: /\(409 job-ended\)/ })
    t.match(detached, { code: 0, out: 'three\n', told: '' })
    t.match(dropped, { code: 0, told: 'The job three is cancelled.\n' })
    t.match(await job('show', 'none'), { code: 3, told: /\(404 not-found\)/ })
    t.match(await job('list', '--status', 'gone'), {
      code: 2,
      told: /^--status must be one of queued, running/,
    })
  },
)

t.test('a job that never started has the exit code 125', async t => {
  const { url } = await startGateway(t)
  const env = gatewayEnvironment(url)
  const waiting = startProgram(t, {
    args: ['job', 'run', '--project', 'nobody', '--id', 'one', '--', 'true'],
    env,
  })
  await waiting.until(/is queued/)

  await until('it is cancelled', async () => (await runCommand(['job', 'cancel', 'one'], env)).code === 0)

  t.equal(await waiting.ended(), 125)
  t.match(waiting.output(), /The command was cancelled before it started\.\n$/)
})

t.test('items are listed, shown, changed and released, each with the errors of the gateway', async t => {
  const { url } = await startGateway(t)
  const env = gatewayEnvironment(url)
  const item = (args: readonly string[], input = '') => runCommand(['item', ...args], env, input)

  const created = await item([
    'create',
    'A1',
    '--type',
    'part',
    '--description',
    'Bracket\u001b[2J',
    '--json',
  ])
  await item(['create', 'A2', '--type', 'bolt', '--description', 'x', '--properties', '-'], '{"mass_kg":0.1}')
  const { etag } = JSON.parse(created.out)
  const updated = await item(['update', 'A1', '--description', 'New', '--if-match', etag])
  const answers = {
    stale: await item(['update', 'A1', '--type', 'x', '--if-match', etag]),
    got: await item(['get', 'A2']),
    listed: await item(['list', '--type', 'part', '--search', 'new']),
    limited: await item(['list', '--limit', '1', '--json']),
    released: await item(['release', 'A1', '--comment', 'Thread changed']),
    revisions: await item(['revisions', 'A1', '--limit', '1']),
    twice: await item(['create', 'A1', '--type', 'part', '--description', 'x']),
    nothing: await item(['update', 'A1']),
    noType: await item(['create', 'A3', '--description', 'x']),
    wrong: await item(['create', 'A3', '--type', 'x', '--description', 'x', '--properties', '[]']),
    deleted: await item(['delete', 'A1']),
    gone: await item(['get', 'A1']),
  }

  t.match(JSON.parse(created.out), { part_number: 'A1', description: 'Bracket\u001b[2J', revision: 1 })
  t.match(updated, { code: 0, out: /^description +New$/m })
  t.match(answers, {
    stale: { code: 3, told: /\(412 precondition-failed\)/ },
    got: { code: 0, out: /^properties +\{"mass_kg":0\.1\}$/m },
    listed: { code: 0, out: /^PART NUMBER +TYPE .*\nA1 +part +1 +\S+ +New\n$/ },
    limited: { code: 0, out: /^\{[^\n]*\}\n$/ },
    released: { code: 0, out: /^revision_number +2\ncomment +Thread changed\n/m },
    revisions: { code: 0, out: /^REVISION .*\n2 +\S+ +editor-of-acme +Thread changed\n$/ },
    twice: { code: 3, told: /\(409 \S+\)/ },
    nothing: { code: 2, told: /^Nothing to change/ },
    noType: { code: 2, told: /^--type is missing\./ },
    wrong: { code: 2, told: /^--properties must be a JSON object/ },
    deleted: { code: 0, out: '', told: 'The item A1 is deleted.\n' },
    gone: { code: 3, told: /\(404 not-found\)/ },
  })
})
