/** The dialect for command lines: events under their own names, and `stream.complete` as the last message. */
import { STREAM_COMPLETE } from '../stream-types.js'
import { type Dialect, encodingOf, endingOf, named } from './dialect.js'

const dialect = {
  name: 'runner-jobs',
  heartbeatMs: 15_000,
  heartbeat: { comment: 'ping' },
  // Only the stream itself may send its last message. An earlier version stored reports of this type.
  message: ({ type, data }) => (type === STREAM_COMPLETE ? undefined : { event: type, data }),
  fault: ({ message, code }) => named('error', { message, code }),
  farewell(event) {
    const { job_id, status } = endingOf(event)
    return named(STREAM_COMPLETE, { job_id, status })
  },
} satisfies Dialect

export const runnerJobs = encodingOf(dialect)
