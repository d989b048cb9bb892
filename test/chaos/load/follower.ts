/** A client of the load, of any kind: it follows one stream through everything until it has the last event. */

export interface Follower {
  readonly name: string
  /** `<workspace>/<stream>`. */
  readonly stream: string
  /** Whether it has the last event. */
  readonly isDone: boolean
  /** Where it is, for a report. */
  readonly place: string
  /** Resolves when it has the last event, or was stopped. */
  follow(): Promise<void>
  /**
   * From now on it stays where it is, reads as fast as it can, and comes back soon.
   * @param last the id of the last event of its stream. A client that began after it gets only the id.
   */
  settle(last: string): void
  /** Ends it at once. */
  stop(): void
}

/** What a process has seen, beside what the history says. */
export interface Tally {
  connections: number
  /** Streams and requests that were refused, `unavailable` included. */
  refusals: number
  deliveries: number
}
