/** The problems that a publisher returns when events were not stored, or may not have been. */
import { databaseFault, faultProblem } from '../database/database-fault.js'
import { mayBeStored } from '../database/unknown-outcome.js'
import { Problem, SqlState, sqlState, unavailable } from '../problems/problem.js'
import type { Refusal } from './append-request.js'

const NOTHING_STORED = 'Nothing was stored.'
const UNKNOWN = 'Whether anything was stored is unknown.'

export function refusal(why: Refusal): Problem {
  switch (why) {
    case 'stream-closed':
      return new Problem(
        409,
        why,
        'This stream is closed: it has had its last event. Publish to another one.',
      )
    case 'idempotency-key-reused':
      return new Problem(
        422,
        why,
        'This Idempotency-Key was used for another request. Use a new key for each request.',
      )
    case 'too-many-stored-streams':
      return new Problem(
        429,
        why,
        'Your workspace has reached its limit of streams. Nothing was stored. Publish to an existing stream.',
      )
  }
}

/** The problem for an error of a change, which says whether anything was stored; the error itself if it is not the caller's concern. */
export function problemOf(error: unknown): unknown {
  switch (sqlState(error)) {
    case SqlState.tooManyStreams:
      return refusal('too-many-stored-streams')
    case SqlState.invalidEvent:
      return new Problem(400, 'invalid-event', error instanceof Error ? error.message : String(error))
    case SqlState.lockNotAvailable:
      return later('stream-busy', 'Another transaction keeps the stream locked.', error)
    case SqlState.serializationFailure:
    case SqlState.deadlockDetected:
      return later('write-conflict', 'Other writers got in the way.', error)
  }
  const fault = databaseFault(error)
  return fault ? faultProblem(fault.name, error, mayBeStored(error) ? UNKNOWN : NOTHING_STORED) : error
}

/** The problem for an error while connecting; the error itself if the database did not cause it. */
export function unreachable(cause: unknown): unknown {
  const fault = databaseFault(cause)
  return fault ? faultProblem(fault.name, cause, NOTHING_STORED) : cause
}

/** @param retry what to do, so that the events are not stored twice. */
export function answerLost(cause: unknown, retry: string): Problem {
  const detail = `The connection to the database broke, so the events may or may not be stored. ${retry}`
  return unavailable('database-unavailable', detail, 2, cause)
}

export function overloaded(): Problem {
  return later('overloaded', 'More is published than the database can store.')
}

export function shuttingDown(): Problem {
  return later('shutting-down', 'This process is shutting down.')
}

function later(code: string, reason: string, cause?: unknown): Problem {
  return unavailable(code, `${reason} ${NOTHING_STORED} Retry.`, 2, cause)
}
