/** The Problems of callers whose request does not fit the job's state. */

import { problemOf as problemOfAppend, refusal } from '../log/publish-problem.js'
import { notFound, Problem, SqlState, sqlState } from '../problems/problem.js'

/**
 * The Problem for an error from the database, which has changed nothing; the error itself if the caller cannot fix
 * it.
 */
export function problemOf(error: unknown): unknown {
  switch (sqlState(error)) {
    case SqlState.noJob:
      return notFound('job')
    case SqlState.jobEnded:
      return new Problem(409, 'job-ended', 'This job has ended: it had its last event. Read what came of it.')
    case SqlState.leaseLost:
      return new Problem(
        409,
        'lease-lost',
        'You do not have this job: you did not claim this attempt, its lease expired, or it was handed back. Stop.',
      )
    case SqlState.illegalTransition:
      return new Problem(
        409,
        'illegal-transition',
        'This job waits in the queue. It is completed or failed while it runs; while it waits it can be cancelled.',
      )
    case SqlState.keyReused:
      return refusal('idempotency-key-reused')
    case SqlState.streamClosed:
      return new Problem(
        409,
        'stream-closed',
        'The feed of your workspace is closed, and no job changes there without an event.',
      )
    default:
      return problemOfAppend(error)
  }
}

export function attemptMissing(): Problem {
  return new Problem(
    400,
    'attempt-missing',
    'A runner names the attempt that it claimed. Send it as X-Job-Attempt, as the claim gave it: 1, 2, ….',
  )
}
