/**
 * The connections that only read the log. They are separate from those of requests, so that requests which use up
 * their pool cannot delay the streams; and the tailer's is separate from the others, so that many reconnecting
 * clients cannot delay live ones.
 */
import type { Database } from '../database/pool.js'
import { openPool, type PoolSource } from '../database/pool-source.js'

/** Logs lost connections, at level debug, because the next connection replaces them. */
interface DebugLogger {
  debug(fields: object, message: string): void
}

/** Connections for clients that open streams and catch up; as many more to a replica. */
export const READERS = 4
/** Planning each read of the tails takes longer than the read itself, and only one plan is good. */
const TAIL_SETTINGS = { plan_cache_mode: 'force_generic_plan' }
/** A reader that waits longer for an answer tries another connection. */
const READ_DEADLINE_MS = 5_000
/** A page that a replica does not deliver within this time is read from the primary. */
export const REPLICA_DEADLINE_MS = 1_000

export function openReaders(source: PoolSource, logger: DebugLogger): Database {
  return openPool(source, {
    name: 'sluice read',
    max: READERS,
    queryTimeoutMs: READ_DEADLINE_MS,
    onError: lost(logger),
  })
}

/** Connections to a replica, for clients that catch up. */
export function openReplica(source: PoolSource, logger: DebugLogger): Database {
  return openPool(source, {
    name: 'sluice read replica',
    max: READERS,
    queryTimeoutMs: REPLICA_DEADLINE_MS,
    onError: lost(logger),
  })
}

/**
 * The tailer's connection.
 * @param onLost called when the connection is lost. The next one may lead to a database that lacks events which clients have
 *   seen, and these clients must get their `reset` at once, not with the next event.
 */
export function openTail(source: PoolSource, logger: DebugLogger, onLost: () => void): Database {
  return openPool(source, {
    name: 'sluice tail',
    max: 1,
    settings: TAIL_SETTINGS,
    queryTimeoutMs: READ_DEADLINE_MS,
    onError(error) {
      lost(logger)(error)
      onLost()
    },
  })
}

function lost(logger: DebugLogger): (error: Error) => void {
  return error => logger.debug({ err: error }, 'A reading connection was lost.')
}
