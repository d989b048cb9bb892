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
      return new Problem(409, 'job-ended', 'This job has ended and accepts no more events. Read its result.')
    case SqlState.leaseLost:
      return new Problem(
        409,
        'lease-lost',
        'You do not hold this job: you did not claim this attempt, its lease expired, or it was handed back. Stop working on it.',
      )
    case SqlState.illegalTransition:
      return new Problem(
        409,
        'illegal-transition',
        'This job is in the queue. Only a running job can complete or fail; a queued job can be cancelled or aborted.',
      )
    case SqlState.jobExists:
      return new Problem(
        409,
        'job-exists',
        'Your workspace already has a job with this id. Choose another id, or read that job. A request that may have ' +
          'been stored before can be repeated with its Idempotency-Key.',
      )
    case SqlState.keyReused:
      return refusal('idempotency-key-reused')
    case SqlState.streamClosed:
      return new Problem(
        409,
        'stream-closed',
        'The feed of your workspace is closed, and a job cannot change without an event on it.',
      )
    default:
      return problemOfAppend(error)
  }
}

export function attemptMissing(): Problem {
  return new Problem(
    400,
    'attempt-missing',
    'A runner must name the attempt that it claimed. Send X-Job-Attempt with the number from the claim: 1, 2, ….',
  )
}
