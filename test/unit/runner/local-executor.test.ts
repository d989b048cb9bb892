import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Outcome, OutputStream } from '../../../src/runner/executor.js'
import { LocalExecutor } from '../../../src/runner/local-executor.js'
import { limitDescriptors, openDescriptors, withoutPrlimit } from '../../harness/descriptors.js'
import { isGone } from '../../harness/processes.js'
import { until } from '../../harness/until.js'

const GRACE_MS = 300
const executor = new LocalExecutor({ graceMs: GRACE_MS })

interface Run {
  readonly outcome: Promise<Outcome>
  readonly output: Record<OutputStream, string>
  abort(): void
}

function run(command: string, options: { env?: Record<string, string>; cwd?: string } = {}): Run {
  const output = { stdout: '', stderr: '' }
  const ending = new AbortController()
  const outcome = executor.run(command, {
    cwd: options.cwd ?? tmpdir(),
    env: { PATH: process.env.PATH ?? '', ...options.env },
    signal: ending.signal,
    onOutput(stream, chunk) {
      output[stream] += chunk
      return undefined
    },
  })
  return { outcome, output, abort: () => ending.abort() }
}

t.test('a command runs in a shell, in the given folder and environment', async t => {
  const { outcome, output } = run('echo "$NAME in $(pwd)"; env | wc -l; echo oops >&2; exit 3', {
    env: { NAME: 'ada' },
    cwd: '/',
  })

  t.match(await outcome, { exitCode: 3, signal: null, durationMs: Number })
  t.match(output.stdout, /^ada in \/\n/)
  t.notMatch(output.stdout, process.env.HOME)
  t.equal(output.stderr, 'oops\n')
})

t.test('a command that a signal ends has no exit code', async t => {
  t.match(await run('kill -9 $$').outcome, { exitCode: null, signal: 'SIGKILL' })
})

t.test('the error of a command that cannot start names the folder', async t => {
  await t.rejects(run('true', { cwd: '/nowhere' }).outcome, { message: /\/nowhere: ENOENT/ })
})

t.test(
  'on a machine without free descriptors the start is retried until there are some',
  { skip: withoutPrlimit() },
  async t => {
    // Started before, because nothing can be started meanwhile. What it waits for is a line.
    const keeper = spawn(
      'sh',
      ['-c', 'read -r limit; prlimit --pid="$0" --nofile="$limit:"', `${process.pid}`],
      {
        stdio: ['pipe', 'ignore', 'ignore'],
      },
    )
    await limitDescriptors(process.pid, await openDescriptors(process.pid))

    const { outcome, output } = run('echo here')
    await new Promise(resolve => setImmediate(resolve))
    keeper.stdin.end('1000\n')

    t.match(await outcome, { exitCode: 0 })
    t.equal(output.stdout, 'here\n')
  },
)

t.test('a command cannot read anything, so that none waits for input', async t => {
  const { outcome, output } = run('cat; echo end')

  t.match(await outcome, { exitCode: 0 })
  t.equal(output.stdout, 'end\n')
})

t.test('ending a command ends all that it has started', async t => {
  const command = run('sleep 1000 & sh -c "sleep 1000 & echo $! \\$! $$; wait"; wait')
  await until('three pids', () => command.output.stdout.endsWith('\n'))
  const pids = command.output.stdout.trim().split(' ').map(Number)

  command.abort()

  t.match(await command.outcome, { signal: 'SIGTERM' })
  await until('no process is left', () => pids.every(isGone))
})

t.test('a command that ignores SIGTERM is killed', async t => {
  const command = run(`trap 'echo not now' TERM; echo ready; while :; do sleep 0.05; done`)
  await until('it is ready', () => command.output.stdout !== '')

  command.abort()

  t.match(await command.outcome, { exitCode: null, signal: 'SIGKILL' })
  t.match(command.output.stdout, 'not now', 'its last words are heard')
})

t.test('a child process that ignores SIGTERM and outlives the shell is killed too', async t => {
  const command = run(
    `sh -c 'trap "" TERM; echo $$; exec >/dev/null 2>&1; while :; do sleep 0.05; done' & wait`,
  )
  await until('its pid', () => command.output.stdout !== '')

  command.abort()

  t.match(await command.outcome, { signal: 'SIGTERM' })
  await until('it is gone', () => isGone(Number(command.output.stdout)))
})

t.test('a command that is aborted before it begins ends at once', async t => {
  const ending = new AbortController()
  ending.abort()

  const outcome = await executor.run('exec sleep 1000', {
    cwd: '/',
    env: { PATH: process.env.PATH ?? '' },
    signal: ending.signal,
    onOutput: () => undefined,
  })

  t.match(outcome, { exitCode: null })
})

t.test('child processes of a command end with it, whether they hold its outputs or not', async t => {
  const holding = run('sleep 1000 & echo $!')
  const silent = run('sleep 1000 >/dev/null 2>&1 & echo $!')

  t.match(await holding.outcome, { exitCode: 0 })
  t.match(await silent.outcome, { exitCode: 0 })

  for (const { output } of [holding, silent]) await until('it is gone', () => isGone(Number(output.stdout)))
})

t.test('a process that has left the group cannot keep the command from being over', async t => {
  const command = run('setsid sleep 1000 & echo $!')

  t.match(await command.outcome, { exitCode: 0 })

  const escaped = Number(command.output.stdout)
  t.notOk(isGone(escaped), 'the documented limit')
  process.kill(escaped, 'SIGKILL')
})

t.test('output that is not read waits in the pipe, and none is lost', async t => {
  let [open, bytes] = [() => {}, 0]
  const gate = new Promise<void>(resolve => {
    open = resolve
  })
  let ended = false
  const outcome = executor.run('head -c 3000000 /dev/zero; echo written >&2', {
    cwd: '/',
    env: { PATH: process.env.PATH ?? '' },
    signal: new AbortController().signal,
    onOutput(stream, chunk) {
      if (stream === 'stderr') ended = true
      else bytes += chunk.length
      return stream === 'stdout' ? gate : undefined
    },
  })
  await until('the first chunk', () => bytes > 0)
  const held = bytes

  const other = run('head -c 1000000 /dev/zero')
  t.match(await other.outcome, { exitCode: 0 })
  t.equal(bytes, held, 'no more came while another command has written all')
  t.notOk(ended, 'and the command stands still')
  open()

  t.match(await outcome, { exitCode: 0 })
  t.equal(bytes, 3_000_000)
})

t.test('commands die with the process that runs them, even by SIGKILL', async t => {
  const program = `
    const { LocalExecutor } = await import(process.argv[1])
    new LocalExecutor().run('trap "" TERM; sleep 1000 & echo $$ $!; wait', {
      cwd: '/', env: { PATH: process.env.PATH }, signal: new AbortController().signal,
      onOutput(_, chunk) { process.stdout.write(chunk) },
    })`
  const module = fileURLToPath(new URL('../../../src/runner/local-executor.js', import.meta.url))
  const parent = spawn(process.execPath, ['--input-type=module', '-e', program, module])
  const [pids] = await once(parent.stdout, 'data')

  parent.kill('SIGKILL')

  for (const pid of `${pids}`.trim().split(' ')) await until(`${pid} is gone`, () => isGone(Number(pid)))
  t.pass('both are gone')
})
