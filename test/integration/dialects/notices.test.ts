import t from 'tap'
import { CommandStarts } from '../../../src/jobs/dialects/command-starts.js'
import { executions } from '../../../src/jobs/dialects/executions.js'
import { remoteCommandsOf } from '../../../src/jobs/dialects/remote-commands.js'
import { runnerJobs } from '../../../src/jobs/dialects/runner-jobs.js'
import { runs } from '../../../src/jobs/dialects/runs.js'
import type { Position, StoredEvent } from '../../../src/log/event.js'
import type { Encoding, Notice } from '../../../src/sse/encoding.js'
import { matchesGolden } from '../../harness/transcript.js'

const remoteCommands = remoteCommandsOf(new CommandStarts().of('acme'))
const DIALECTS = [runnerJobs, runs, remoteCommands, executions]

const NOTICES: readonly Notice[] = [
  { name: 'heartbeat', data: {}, id: '3.aaaaaa' },
  { name: 'server.state', data: { mode: 'degraded' } },
  { name: 'error', data: { message: 'The log cannot be read; it is tried again.', code: 'unreadable' } },
  { name: 'reset', data: { reason: 'history-lost', earliest: '0.aaaaaa', head: '7.bbbbbb' }, id: '7.bbbbbb' },
  { name: 'unavailable', data: { reason: 'draining' } },
  { name: 'unavailable', data: { reason: 'limit' } },
  { name: 'unavailable', data: { reason: 'database' } },
  { name: 'auth-expired', data: {} },
  { name: 'auth-revoked', data: {} },
]

t.test('each dialect has its own messages for faults and its own keep-alive', async t => {
  for (const dialect of DIALECTS) {
    const told = NOTICES.map(notice => dialect.notice(notice)?.toString())

    matchesGolden(t, `${dialect.name}-notices`, told.join(''))
  }
})

t.test('notices that do not concern clients of a job are not sent', async t => {
  for (const dialect of DIALECTS) {
    for (const mode of ['normal', 'maintenance', 'draining'] as const) {
      t.equal(dialect.notice({ name: 'server.state', data: { mode } }), undefined, `${dialect.name} ${mode}`)
    }
    t.equal(dialect.notice({ name: 'auth-renewed', data: { expires_at: null } }), undefined)
  }
})

t.test('revoked credentials are reported like expired ones', async t => {
  const told = (dialect: Encoding, name: 'auth-expired' | 'auth-revoked') =>
    dialect.notice({ name, data: {} })?.toString()

  for (const dialect of DIALECTS) {
    const expired = told(dialect, 'auth-expired')?.replace('have expired', 'have been revoked')
    const expected = expired?.replace('new ones', 'other ones').replace('auth-expired', 'auth-revoked')
    t.equal(told(dialect, 'auth-revoked'), expected, dialect.name)
  }
})

t.test('stored events cannot imitate the messages of the stream', async t => {
  t.equal(told(runnerJobs, 'stream.complete', '{}'), '')
  t.equal(told(runs, 'done', '{}'), 'id: 1.aaaaaa\ndata: {"type":"reported.done"}\n\n')
  t.equal(told(runs, 'snapshot', '{}'), 'id: 1.aaaaaa\ndata: {"type":"run.updated","run":{}}\n\n')
  t.equal(told(remoteCommands, 'complete', '{}'), '')
  t.equal(told(remoteCommands, 'connected', '{}'), '')
  for (const type of ['execution-start', 'execution-complete', 'execution-cancelled']) {
    t.equal(told(executions, type, '{}'), '')
  }
})

t.test('the message of a run is its stored data, with the type of the event before it', async t => {
  const cases: [stored: string, sent: string][] = [
    ['{}', '{"type":"note"}'],
    [' { } ', '{"type":"note" } '],
    ['{"n":12345678901234567890}', '{"type":"note","n":12345678901234567890}'],
    ['{"inner":{"type":"x"}}', '{"type":"note","inner":{"type":"x"}}'],
    ['{"type":"done","a":1}', '{"type":"note","a":1}'],
    ['{"a":1,"\\u0074ype":"done"}', '{"type":"note","a":1}'],
  ]

  for (const [stored, sent] of cases)
    t.equal(told(runs, 'note', stored), `id: 1.aaaaaa\ndata: ${sent}\n\n`, stored)
  t.equal(
    told(runs, 'note', '{\n"a": 1\n}'),
    'id: 1.aaaaaa\ndata: {"type":"note",\ndata: "a": 1\ndata: }\n\n',
    'data of several lines stays one message',
  )
})

t.test(
  'an event `error` never speaks of a fault of the stream, where clients take it for the end',
  async t => {
    for (const dialect of [remoteCommands, executions]) {
      const faults = NOTICES.filter(({ name }) => name !== 'heartbeat').map(notice => ({
        notice,
        told: dialect.notice(notice)?.toString() ?? '',
      }))

      const wrong = faults.filter(({ told }) => !told.startsWith(': ') || /^event: (?!reset$)/m.test(told))
      t.same(wrong, [], dialect.name)
    }
  },
)

function told(encoding: Encoding, type: string, data: string): string {
  const event: StoredEvent = {
    position: 1 as Position,
    eventId: '00000000-0000-4000-8000-000000000000',
    at: new Date(),
    type,
    data,
  }
  return encoding.event(event).toString()
}
