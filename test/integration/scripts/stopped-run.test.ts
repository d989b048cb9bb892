/** `npm test` that does not come to its end: nobody may take it for a run that passed, or for one in which nothing did. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { testServer } from '../../harness/database.js'
import { until } from '../../harness/until.js'

const SCRIPT = fileURLToPath(new URL('../../../scripts/test.js', import.meta.url))
/** It makes a template of its own, and starts three programs. */
const PATIENCE_MS = 60_000
const PASSES = `import t from 'tap'
t.test('it', async t => { t.ok(true); t.ok(true) })`
const HANGS = `import t from 'tap'
t.test('it', () => new Promise(resolve => setTimeout(resolve, 1_000_000)))`
const FAILS = `import t from 'tap'
t.equal(1, 2, 'one is two')`

t.test('a run that a signal stops fails, and reports the signal and the tests that passed', async t => {
  const run = await start(t, [], { 'a.test.js': PASSES, 'b.test.js': HANGS })

  await until('the first file is done', () => /^ok .*a\.test\.js/m.test(run.output()), PATIENCE_MS)
  run.signal('SIGINT')

  t.equal(await run.code(), 1)
  t.match(run.output(), /Stopped by SIGINT, with tests left to do: .*\n2 passed, 1 failed\n$/)
})

t.test('a run that stops at the first failure reports that too', async t => {
  const run = await start(t, ['--bail'], { 'a.test.js': FAILS })

  t.equal(await run.code(), 1)
  t.match(run.output(), /Stopped by the first failure, one is two \(--bail\), .*\n0 passed, 1 failed\n$/)
})

/** `npm test` on files of its own, on the Postgres of this run. */
async function start(t: Test, options: readonly string[], files: Record<string, string>) {
  const { url } = await testServer()
  const folder = t.testdir(files)
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(
    process.execPath,
    [SCRIPT, '--jobs=1', ...options, ...Object.keys(files).map(name => join(folder, name))],
    { env: { PATH, HOME, TEST_DATABASE_URL: url }, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const closed = once(child, 'close')
  // In order, so that it ends what it has started.
  t.teardown(async () => {
    child.kill('SIGTERM')
    await closed
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk))
  return {
    output: () => output,
    signal: (signal: NodeJS.Signals) => child.kill(signal),
    async code(): Promise<number | null> {
      await closed
      return child.exitCode
    },
  }
}
