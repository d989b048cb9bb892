/** Runs the sweeps of all rooms, every hour, from the app's start to its close. */
import fp from 'fastify-plugin'
import { ticketSweep } from '../src/auth/tickets/ticket-sweep.js'
import { levelOf } from '../src/database/database-fault.js'
import { sweepAll } from '../src/database/sweep.js'
import { jobSweep } from '../src/jobs/job-sweep.js'
import { slotSweep } from '../src/limits/slot-rows.js'
import { compactionSweep } from '../src/log/compaction.js'
import { eventSweep, idempotencyKeySweep } from '../src/log/retention.js'
import { limitStreams } from '../src/log/stored-streams.js'
import { Backoff } from '../src/process/backoff.js'
import { PeriodicLoop } from '../src/process/periodic-loop.js'
import { deletedStreamSweep } from '../src/streams/deleted-stream-sweep.js'
import type { Sealer } from '../src/webhooks/sealer.js'
import { attemptSweep, deadLetterSweep, secretSweep } from '../src/webhooks/webhook-sweeps.js'

declare module 'fastify' {
  interface FastifyInstance {
    retention: RetentionTally
  }
}

/** The rows that this process has removed since it started. */
export interface RetentionTally {
  /** By the name of the rows. */
  readonly removed: Map<string, number>
  /** When all sweeps last succeeded, in ms since 1970; undefined: not yet. */
  succeededAt: number | undefined
}

export interface RetentionOptions {
  /** Days that events are kept, by kind of stream. A kind that is 0 or missing keeps its events for ever. */
  readonly days: Readonly<Record<string, number>>
  /** Days that a job is kept after its end; 0 keeps it for ever. */
  readonly jobDays: number
  /** Days that an attempt of a webhook is kept; 0: as long as they are not too many. */
  readonly webhookAttemptDays: number
  /** Seals the secrets of webhooks; undefined: there are none that it opens. */
  readonly sealer: Sealer | undefined
  /** Streams that a workspace may have; 0: any number. */
  readonly maxStoredStreams: number
}

const EVERY_MS = 3_600_000
/** Soon after the start, so that a process that is restarted often sweeps too. */
const FIRST_MS = 30_000
/** Processes that were started together do not sweep at the same time. */
const JITTER = 0.5
const RETRY_MS = 60_000

export default fp<RetentionOptions>(
  async (app, { days, jobDays, webhookAttemptDays, sealer, maxStoredStreams }) => {
    const { database, log: logger, tailer } = app
    const closing = new AbortController()
    const tally: RetentionTally = { removed: new Map(), succeededAt: undefined }
    app.decorate('retention', tally)
    const sweeps = [
      compactionSweep(database),
      eventSweep({ database, days, followed: () => tailer.streams.map(({ id }) => id) }),
      deletedStreamSweep(database),
      jobSweep(database, jobDays),
      idempotencyKeySweep(database),
      ticketSweep(database),
      slotSweep(database),
      attemptSweep(database, webhookAttemptDays),
      deadLetterSweep(database),
      ...(sealer ? [secretSweep(database, sealer)] : []),
    ]
    // Stored in the database, because a program that publishes from SQL has no such setting: the functions that create
    // streams read it there.
    const storeLimit = () => limitStreams(database, maxStoredStreams)
    const loop = new PeriodicLoop({
      name: 'Removing expired rows',
      everyMs: EVERY_MS,
      firstMs: FIRST_MS,
      jitter: JITTER,
      backoff: new Backoff({ minMs: RETRY_MS, maxMs: RETRY_MS }),
      logger,
      failure: 'Failed to remove expired rows; trying again every minute.',
      levelOf,
      async turn() {
        await storeLimit()
        await sweepAll(sweeps, closing.signal, (rows, removed) => {
          tally.removed.set(rows, (tally.removed.get(rows) ?? 0) + removed)
          logger.info({ rows, removed }, 'Removed expired rows.')
        })
        tally.succeededAt = Date.now()
      },
    })
    app.addHook('onReady', async () => {
      // Not awaited: an unreachable database must not keep the app from starting.
      void storeLimit().catch(() => undefined)
      loop.start()
    })
    app.addHook('onClose', async () => {
      closing.abort()
      await loop.close()
    })
  },
  { name: 'retention', dependencies: ['database', 'tailer'] },
)
