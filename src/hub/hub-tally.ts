/**
 * The work of a process's subscriptions since it started: plain numbers, because some change with every delivery. The metrics
 * read them (plugins/metrics.ts).
 */
import type { StoredEvent } from '../log/event.js'
import { Distribution } from '../metrics/distribution.js'
import type { EventTracing } from '../tracing/event-tracing.js'

export class HubTally {
  opened = 0
  /** Events written to clients, live ones and those of the past, and their bytes. */
  events = 0
  bytes = 0
  /** By the place from which a client that catches up gets its events. */
  readonly replayed = {
    /** Recent frames. */
    memory: 0,
    /** Pages of the log that clients share. */
    page: 0,
    /** Pages of the events that match a filter. */
    filtered: 0,
    /** The newest events by key. */
    latest: 0,
  }
  /** By reason. */
  readonly closed = {
    /** An admin has ended it. */
    'by-admin': 0,
    /** Another client holds the consumer of this one, or its place has changed. */
    'taken-over': 0,
    sought: 0,
    changed: 0,
    'consumer-deleted': 0,
    /** The client disconnected. */
    client: 0,
    /** The stream has ended. */
    ended: 0,
    /** There was no room. */
    refused: 0,
    deleted: 0,
    draining: 0,
    expired: 0,
    narrowed: 0,
    /** The log does not continue where the client is, and its form cannot say so. */
    reset: 0,
    revoked: 0,
    stalled: 0,
    'too-old': 0,
  }
  /** Streams that were not opened, by reason; the clients may try again soon. */
  readonly refused = { draining: 0, limit: 0, memory: 0, database: 0, authorization: 0, held: 0 }
  /** By reason. */
  readonly resets = { deleted: 0, 'history-lost': 0, retention: 0, 'unknown-id': 0 }
  /** From the arrival of events in the hub until all live clients of their stream have been written to. */
  readonly readToWrite = new Distribution()
  /** From the time of an event, which is set just before COMMIT, until then. */
  readonly commitToDelivery = new Distribution()
  /** How far the database's clock is ahead of this process's, in ms: the times of events are the database's. */
  clockAheadMs = 0
  /** Undefined: the process takes part in no traces. */
  tracing: EventTracing | undefined

  /** Call this when the live clients of a stream have been served. @param arrivedAt in ms, of performance.now(). */
  delivered(frames: readonly { readonly event: StoredEvent }[], arrivedAt: number, clients: number): void {
    this.readToWrite.observe((performance.now() - arrivedAt) / 1_000)
    const now = Date.now() + this.clockAheadMs
    for (const { event } of frames) this.commitToDelivery.observe((now - event.at.getTime()) / 1_000)
    if (this.tracing) {
      const events = frames.map(({ event }) => event)
      this.tracing.step('deliver', events, arrivedAt, { 'sluice.clients': clients })
    }
  }
}

export type ReplaySource = keyof HubTally['replayed']
export type CloseReason = keyof HubTally['closed']
