/**
 * A message broker, as far as the bus needs it: NATS and Redis have this in common. A channel is a subject in NATS. Messages are
 * hints: a broker stores none, and may lose, double or reorder them.
 *
 * A connection is used once: when it is lost, broker-session.ts closes it and makes another.
 */

export interface BrokerEvents {
  /** Called with each message of the channel, those of this connection too: a canary comes back this way. */
  onMessage(bytes: Uint8Array): void
  /** Called when messages may no longer arrive, or may no longer be sent. May be called more than once. */
  onLost(error: unknown): void
}

export interface BrokerConnection {
  /** The longest message that the broker takes, in bytes. */
  readonly maxBytes: number
  /** Resolves when the broker has the messages. Rejects, or never settles, if the connection is lost. */
  publish(messages: readonly Uint8Array[]): Promise<void>
  /** Leaves no socket and no timer. Never rejects. */
  close(): Promise<void>
}

export interface Broker {
  readonly kind: 'nats' | 'redis'
  /**
   * Connects, and subscribes to the channel: resolves when messages that are published from now on arrive. When `signal` aborts
   * before that, it rejects and leaves nothing open.
   */
  connect(channel: string, events: BrokerEvents, signal: AbortSignal): Promise<BrokerConnection>
}

/** Files in PEM form, read at each connection, so renewed certificates need no restart. */
export interface BrokerFiles {
  /** The authorities that may have signed the broker's certificate. Default: those of Node. */
  readonly caFile?: string | undefined
  /** The certificate of this gateway and its key, for brokers that ask for one. */
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
}
