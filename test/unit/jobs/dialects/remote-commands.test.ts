import t from 'tap'
import { CommandStarts } from '../../../../src/jobs/dialects/command-starts.js'
import { MAX_EVENT_BYTES, remoteCommandsOf } from '../../../../src/jobs/dialects/remote-commands.js'
import type { Position } from '../../../../src/log/event.js'
import { LineSplitter } from '../../../../src/runner/lines.js'

const ID = '7d0f5a3e-52c4-4f0b-9c1e-0b8f6f3f1a22'
const QUEUED = { id: ID, attempt: 0, started_at: null }

/** A process in which the command is followed, and its clock. */
function followed(job = QUEUED) {
  const starts = new CommandStarts().of('acme')
  const encoding = remoteCommandsOf(starts)
  const release = starts.follow(job)
  const told = (type: string, data: object, at = 0) => {
    const event = {
      position: 1 as Position,
      eventId: '00000000-0000-4000-8000-000000000000',
      at: new Date(at),
      type,
      data: JSON.stringify(data),
    }
    return encoding.event(event).toString()
  }
  const ended = (status: string, result: object | null, attempt = 1, at = 0) => {
    const [, event = '', data = ''] =
      /event: (.*)\ndata: (.*)\n\n$/.exec(
        told(`job.${status}`, { job_id: ID, status, result, attempt }, at),
      ) ?? []
    return [event, JSON.parse(data)]
  }
  return { starts, release, told, ended }
}

t.test('a command that has started completes with an exit code, however it ended', async t => {
  const ran = { signal: null, duration_ms: 7 }
  const cases: [status: string, result: object | null, complete: object][] = [
    ['completed', { exit_code: 0, ...ran }, { exit_code: 0, duration_ms: 7 }],
    ['failed', { exit_code: 3, ...ran }, { exit_code: 3, duration_ms: 7 }],
    ['failed', { ...ran, signal: 'SIGKILL' }, { exit_code: 137, duration_ms: 7, signal: 'SIGKILL' }],
    ['failed', { ...ran, signal: 'SIGSEGV' }, { exit_code: 139, duration_ms: 7, signal: 'SIGSEGV' }],
    ['failed', { ...ran, signal: 'SIGWHAT' }, { exit_code: 128, duration_ms: 7, signal: 'SIGWHAT' }],
    [
      'failed',
      { ...ran, signal: 'SIGTERM', timed_out: true },
      { exit_code: 124, duration_ms: 7, reason: 'timeout' },
    ],
    [
      'failed',
      { ...ran, exit_code: 0, timed_out: true },
      { exit_code: 124, duration_ms: 7, reason: 'timeout' },
    ],
    ['cancelled', null, { exit_code: 143, duration_ms: 0, reason: 'cancelled' }],
    ['interrupted', null, { exit_code: 255, duration_ms: 0, reason: 'interrupted' }],
    // As other runners and editors end jobs.
    ['completed', null, { exit_code: 0, duration_ms: 0 }],
    ['completed', { exit_code: 2 }, { exit_code: 2, duration_ms: 0 }],
    ['completed', { exit_code: 'two', duration_ms: -1 }, { exit_code: 0, duration_ms: 0 }],
    ['failed', null, { exit_code: 1, duration_ms: 0, reason: 'failed' }],
    ['failed', { exit_code: 0 }, { exit_code: 1, duration_ms: 0, reason: 'failed' }],
    ['failed', { exit_code: 1.5 }, { exit_code: 1, duration_ms: 0, reason: 'failed' }],
  ]
  const { ended } = followed()

  const found = cases.map(([status, result]) => ended(status, result))

  t.strictSame(
    found,
    cases.map(([, , complete]) => ['complete', complete]),
  )
})

t.test('a command that has never started is an error with the reason', async t => {
  const { ended } = followed()

  t.strictSame(ended('cancelled', null, 0), [
    'error',
    { message: 'The command was cancelled before it started.' },
  ])
  t.strictSame(
    ended('failed', { exit_code: null, signal: null, duration_ms: 0, error: 'There is no /srv/app.' }),
    ['error', { message: 'There is no /srv/app.' }],
  )
})

t.test('the duration of a command that was cancelled is that of its last attempt', async t => {
  const { ended, told, starts } = followed()
  const start = (attempt: number, at: number) => told('job.started', { job_id: ID, attempt }, at)

  start(1, 1_000)
  t.match(ended('cancelled', null, 1, 3_500), ['complete', { duration_ms: 2_500 }])
  told('job.requeued', { job_id: ID, attempt: 1 }, 4_000)
  start(1, 1_000)
  t.match(
    ended('cancelled', null, 1, 5_000),
    ['complete', { duration_ms: 0 }],
    'it waited when it was cancelled',
  )
  start(2, 6_000)
  start(1, 1_000)
  told('job.requeued', { job_id: ID, attempt: 1 }, 4_000)
  starts.follow(QUEUED)
  t.match(
    ended('interrupted', null, 2, 6_001),
    ['complete', { duration_ms: 1 }],
    'whatever others read again',
  )
  t.match(
    ended('cancelled', null, 2, 5_000),
    ['complete', { duration_ms: 0 }],
    'clocks of two machines differ',
  )
})

t.test(
  'a client that comes later knows the start from the job, and nothing is kept after the last client',
  async t => {
    const { ended, starts, release } = followed()
    const job = { id: ID, attempt: 2, started_at: '2026-11-21T06:28:05.000Z' }
    const at = Date.parse(job.started_at) + 42
    const leave = starts.follow(job)

    t.match(ended('cancelled', null, 2, at), ['complete', { duration_ms: 42 }])
    release()
    release()
    t.match(ended('cancelled', null, 2, at), ['complete', { duration_ms: 42 }])
    leave()
    t.match(ended('cancelled', null, 2, at), ['complete', { duration_ms: 0 }])
  },
)

t.test(
  'other events of a command pass under their own names, except for those of the stream itself',
  async t => {
    const { told } = followed()
    const types = ['progress', 'log', 'connected', 'complete', 'error', 'heartbeat', 'reset', 'job.created']

    const shown = types.filter(type => told(type, { n: 1 }) !== '')

    t.same(shown, ['progress', 'log'])
    t.equal(told('progress', { n: 1 }), 'id: 1.aaaaaa\nevent: progress\ndata: {"n":1}\n\n')
  },
)

t.test('commands of two workspaces may have the same id', async t => {
  const starts = new CommandStarts()
  const [acme, globex] = [starts.of('acme'), starts.of('globex')]
  acme.follow({ ...QUEUED, attempt: 1, started_at: '2026-11-21T06:28:05.000Z' })
  const at = Date.parse('2026-11-21T06:28:05.042Z')

  t.equal(acme.ranMs(ID, 1, at), 42)
  t.equal(globex.ranMs(ID, 1, at), 0)
  t.equal(starts.of('acme').ranMs(ID, 1, at), 42)
})

t.test('no event is longer than 60 KiB', async t => {
  const { told } = followed()
  const long = '\0'.repeat(40_000)
  const events = [
    told('output', { line: long, stream: 'stdout' }),
    told(`p${'x'.repeat(127)}`, { items: [long], text: long }),
    told('job.failed', { job_id: ID, status: 'failed', attempt: 1, result: { error: long } }),
  ]

  for (const event of events) {
    t.ok(Buffer.byteLength(event) <= MAX_EVENT_BYTES)
    t.match(event, /"truncated":true\}\n\n$/)
  }
  t.match(events[0], '"stream":"stdout"')
})

t.test('what the runner writes is not shortened', async t => {
  const { told } = followed()
  const splitter = new LineSplitter()
  const bytes = Buffer.concat([Buffer.alloc(40_000), Buffer.alloc(40_000, '\xff', 'latin1'), Buffer.of(10)])

  const lines = [...splitter.push(bytes), ...splitter.end()]
  const events = lines.map(({ text, ...marks }) => told('output', { line: text, stream: 'stderr', ...marks }))

  t.ok(events.every(event => Buffer.byteLength(event) <= MAX_EVENT_BYTES))
  t.notOk(events.some(event => event.includes('"truncated"')))
})
