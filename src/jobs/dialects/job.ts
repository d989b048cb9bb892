/**
 * The stream of a job for Sluice's own clients: like the feed, after a snapshot and with an end. GET
 * /api/jobs/:id/events.
 */
import { type Encoding, type Notice, sse } from '../../sse/encoding.js'
import { sseMessages } from '../../sse/message-envelope.js'
import { ndjson } from '../../sse/ndjson.js'
import { isTerminal, type Job } from '../job.js'

export const jobEnd = {
  closing: ({ type }) => (isTerminal(type) ? Buffer.alloc(0) : undefined),
} satisfies Pick<Encoding, 'closing'>

export const jobEvents: Encoding = { ...sse, name: 'job-events', ...jobEnd }
export const jobMessages: Encoding = { ...sseMessages, name: 'job-messages', ...jobEnd }
export const jobLines: Encoding = { ...ndjson, name: 'job-lines', ...jobEnd }

/** @param head event id of the last event that `job` includes. */
export function jobSnapshot(job: Job, head: string): Notice {
  return { name: 'snapshot', data: { job, head } }
}
