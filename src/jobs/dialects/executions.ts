/** The dialect for orchestrations: the execution starts, its tasks start and end, and it completes or is cancelled. */
import type { StoredEvent } from '../../log/event.js'
import { isJobStatusType } from '../../log/event-catalogue.js'
import type { SseMessage } from '../../sse/frame.js'
import { isTerminal } from '../job.js'
import { type Dialect, encodingOf, endingOf, named, silentFault } from './dialect.js'

/** The events that the stream itself sends about the execution. An earlier version stored reports of such types. */
const EXECUTION_TYPES = ['execution-start', 'execution-complete', 'execution-cancelled'] as const
const [START, COMPLETE, CANCELLED] = EXECUTION_TYPES

const dialect = {
  name: 'executions',
  heartbeatMs: 15_000,
  heartbeat: { comment: 'heartbeat' },
  message(event) {
    const { type, data } = event
    if (isTerminal(type)) return outcome(event)
    if (type === 'job.started') return named(START, { executionId: endingOf(event).job_id })
    const own = isJobStatusType(type) || EXECUTION_TYPES.some(name => name === type)
    return own ? undefined : { event: type, data }
  },
  fault: silentFault,
} satisfies Dialect

export const executions = encodingOf(dialect)

/** The end as the application reported it, with the id and the status of the job if it has none. */
function outcome(event: StoredEvent): SseMessage {
  const { job_id: executionId, status, result } = endingOf(event)
  if (status === 'cancelled') return named(CANCELLED, { executionId })
  const missing = Object.entries({ executionId, status }).filter(
    ([name]) => !Object.hasOwn(result ?? {}, name),
  )
  return named(COMPLETE, { ...Object.fromEntries(missing), ...result })
}
