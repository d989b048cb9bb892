/** Where the commands of a project run: declared at a gateway, obeyed by a real runner or refused by it. */
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Job } from '../../../src/jobs/job.js'
import { startGateway } from '../../harness/gateway.js'
import { launchRunner, temporaryDir } from '../../harness/runner-program.js'
import { token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'
import { ask } from '../../integration/jobs/project-client.js'

const PROGRAM = `#!/bin/sh
echo "image $1"
echo "own path $PATH"
echo "variables $SLUICE_ENV_CI $SLUICE_ENV_PATH $SLUICE_ENV_SLUICE_JOB_ATTEMPT"
[ "$2" = forever ] && exec sleep 1000
exec /bin/sh -c "$2"
`

t.test(
  'a program of the operator runs the commands, with the image, and out of reach of their variables',
  async t => {
    const { url, run } = await start(t, { executor: 'container', image: 'node:22' }, true)

    const { job, lines } = await run({
      command: 'echo "it\'s \\"$0\\"; ok"; exit 3',
      env: { CI: '1', PATH: '/evil', LD_PRELOAD: '/evil.so' },
    })

    t.match(job, { status: 'failed', result: { exit_code: 3 } })
    t.same(lines, [
      'image node:22',
      `own path ${process.env.PATH}`,
      'variables 1 /evil 1',
      'it\'s "/bin/sh"; ok',
    ])
    t.match(await ask(url, 'viewer', 'GET', '/projects/site'), { body: { image: 'node:22' } })
  },
)

t.test('such a program ends with its command when that is too late', async t => {
  const { run } = await start(t, { executor: 'container' }, true)

  const { job } = await run({ command: 'forever', timeout_ms: 500 })

  t.match(job, { status: 'failed', result: { timed_out: true, signal: 'SIGTERM' } })
})

t.test('a runner without the executor refuses the command and says what to do', async t => {
  const { run } = await start(t, { executor: 'container', image: 'node:22' }, false)

  const { job, lines } = await run({ command: 'touch ran' })

  t.match(job, {
    status: 'failed',
    result: {
      error:
        /executor container, which this runner does not have\. Start a runner with --executor container=PROGRAM/,
    },
  })
  t.same(lines, [])
})

t.test('an image is not silently ignored', async t => {
  const { run } = await start(t, { image: 'node:22' }, true)

  const { job } = await run({ command: 'touch ran' })

  t.match(job, { status: 'failed', result: { error: /the image node:22, but the executor local/ } })
})

t.test('a wrong --executor is wrong usage', async t => {
  for (const value of [
    'container',
    'container=in-container',
    'Container=/bin/sh',
    'container=/nowhere',
    'a=/tmp',
  ]) {
    const runner = await launchRunner(t, 'http://127.0.0.1:9', { args: ['--executor', value] })

    t.equal(await runner.ended(), 2, value)
  }
})

async function start(t: Test, rules: object, withProgram: boolean) {
  const { url } = await startGateway(t)
  const folder = await temporaryDir(t)
  const program = join(folder, 'in-container')
  await writeFile(program, PROGRAM)
  await chmod(program, 0o755)
  await ask(url, 'admin', 'POST', '/projects', { id: 'site', ...rules })
  const args = withProgram ? ['--executor', `container=${program}`] : []
  const runner = await launchRunner(t, url, { args, token: token({ role: 'runner' }) })
  await runner.until(/^Runner .* executes the commands of project site in /m)
  return {
    url,
    async run(command: object) {
      const started = await ask<{ data: { id: string } }>(
        url,
        'editor',
        'POST',
        '/projects/site/shell',
        command,
      )
      const path = `/api/jobs/${started.body.data.id}`
      let job: Job | undefined
      await until('the end of the command', async () => {
        job = (await ask<Job>(url, 'viewer', 'GET', path)).body
        return job.ended_at !== null
      })
      type Page = { events: { type: string; data: { line: string } }[] }
      const { events } = (await ask<Page>(url, 'viewer', 'GET', `${path}/events?types=output`)).body
      return { job, lines: events.map(({ data }) => data.line) }
    },
  }
}
