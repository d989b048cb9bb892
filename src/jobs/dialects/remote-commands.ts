/** The dialect for remote commands: `connected`, lines of output, and how the command ended. */
import type { StoredEvent } from '../../log/event.js'
import type { SseMessage } from '../../sse/frame.js'
import { isTerminal, type Job } from '../job.js'
import { type Dialect, encodingOf, endingOf, frame, named } from './dialect.js'

const dialect = {
  name: 'remote-commands',
  heartbeatMs: 15_000,
  heartbeat: named('heartbeat', {}),
  message(event) {
    if (event.type === 'output') return { event: 'output', data: event.data }
    return isTerminal(event.type) ? outcome(event) : undefined
  },
  fault: ({ message }) => named('error', { message }),
} satisfies Dialect

export const remoteCommands = encodingOf(dialect)

export function connected({ id, status }: Job): Buffer {
  return frame(named('connected', { stream_id: id, status }))
}

/** A command that ran to its end has an exit code, 0 or not; every other end is an error. */
function outcome(event: StoredEvent): SseMessage {
  const { status, result } = endingOf(event)
  const { exit_code, duration_ms = null, timed_out } = result ?? {}
  const ended = typeof exit_code === 'number' && timed_out !== true
  if (ended && status !== 'cancelled') return named('complete', { exit_code, duration_ms })
  return named('error', { message: whyNot(status, result) })
}

function whyNot(status: Job['status'], result: Job['result']): string {
  if (status === 'cancelled') return 'The command was cancelled.'
  if (status === 'interrupted') return 'The command was interrupted: its runner was lost too often.'
  if (result?.timed_out === true) return 'The command took longer than it may, and was ended.'
  if (typeof result?.signal === 'string') return `The command was ended by ${result.signal}.`
  return typeof result?.error === 'string' ? result.error : 'The command could not be run.'
}
