/** What a caller of the publisher is told when its events were not stored, or may not have been. */
import { Problem, SqlState, sqlState, unavailable } from '../errors.js'
import type { Refusal } from './append-requests.js'

export function refusal(why: Refusal): Problem {
  switch (why) {
    case 'stream-closed':
      return new Problem(409, why, 'This stream is closed: it has had its last event.')
    case 'idempotency-key-reused':
      return new Problem(
        422,
        why,
        'This Idempotency-Key was used for another request. Use a new key for each request.',
      )
  }
}

/** Of an error that the database sent, so nothing of the request is stored; itself if the caller cannot help it. */
export function problemOf(error: unknown): unknown {
  switch (sqlState(error)) {
    case SqlState.invalidEvent:
      return new Problem(400, 'invalid-event', error instanceof Error ? error.message : String(error))
    case SqlState.lockNotAvailable:
      return later('stream-busy', 'Another transaction keeps this stream locked.', error)
    case SqlState.serializationFailure:
    case SqlState.deadlockDetected:
      return later('write-conflict', 'Other writers were in the way.', error)
    case SqlState.queryCanceled:
      return later('database-unavailable', 'The database took too long.', error)
    default:
      return error
  }
}

export function unreachable(cause: unknown): Problem {
  return later('database-unavailable', 'The database cannot be reached.', cause)
}

export function answerLost(cause: unknown): Problem {
  return unavailable(
    'database-unavailable',
    'The connection to the database broke. The events may or may not be stored. Try again, with an ' +
      'Idempotency-Key so that they are not stored twice.',
    2,
    cause,
  )
}

export function overloaded(): Problem {
  return later('overloaded', 'More is being published than the database can store.')
}

export function shuttingDown(): Problem {
  return later('shutting-down', 'This server is shutting down, another one will answer.')
}

function later(code: string, reason: string, cause?: unknown): Problem {
  return unavailable(code, `${reason} Nothing was stored. Try again.`, 2, cause)
}
