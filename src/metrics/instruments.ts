/**
 * Every metric of a gateway: its name, help and labels. docs/metrics.md lists them (held by a test). Names and units follow
 * the Prometheus conventions. No label has a value that a caller chooses, so the number of series is bounded.
 */

export interface Instrument {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly labels: readonly string[]
  /** How the values of several workers are combined into one. */
  readonly workers: 'sum' | 'max' | 'first' | 'average'
}

const counter = (name: string, help: string, ...labels: string[]) =>
  ({ name, help, type: 'counter', labels, workers: 'sum' }) as const satisfies Instrument
const gauge = (workers: Instrument['workers'], name: string, help: string, ...labels: string[]) =>
  ({ name, help, type: 'gauge', labels, workers }) as const satisfies Instrument
const histogram = (name: string, help: string, ...labels: string[]) =>
  ({ name, help, type: 'histogram', labels, workers: 'sum' }) as const satisfies Instrument

export const INSTRUMENTS = {
  build: gauge('first', 'sluice_build_info', '1, with the versions in labels.', 'version', 'node'),
  mode: gauge('sum', 'sluice_mode', 'Processes in each mode.', 'mode'),

  clients: gauge('sum', 'sluice_clients', 'Open streams.', 'kind', 'form'),
  clientBytes: gauge('sum', 'sluice_client_waiting_bytes', 'Bytes that wait for clients in this process.'),
  streams: gauge(
    'sum',
    'sluice_streams_followed',
    'Streams of the log that this process reads for its clients.',
  ),
  opened: counter('sluice_streams_opened_total', 'Streams that were opened for clients.'),
  closed: counter('sluice_streams_closed_total', 'Streams that ended for clients, by reason.', 'reason'),
  refused: counter('sluice_streams_refused_total', 'Streams that were not opened, by reason.', 'reason'),
  withdrawn: counter(
    'sluice_streams_withdrawn_total',
    'Streams that were ended because all processes together held more than the cap of a caller, by limit.',
    'limit',
  ),
  resets: counter('sluice_resets_total', 'Clients that had to load their state again, by reason.', 'reason'),

  published: counter(
    'sluice_events_published_total',
    'Events that this process has committed for requests, by the way of publishing: published ones, changes of items, reports of jobs.',
    'way',
  ),
  read: counter(
    'sluice_events_read_total',
    'Events that the tailer has read from the log, by the way of publishing. It reads neither the events of its own process nor those taken from the bus.',
    'way',
  ),
  carried: counter(
    'sluice_events_carried_total',
    'Events of other processes that arrived with their wakes, by their use: taken, or read from the log instead.',
    'use',
  ),
  delivered: counter('sluice_events_delivered_total', 'Events that were written to clients.'),
  replayed: counter(
    'sluice_events_replayed_total',
    'Events of the past that were written to clients that caught up, by the place from which they were read. Part of the delivered events.',
    'source',
  ),
  bytes: counter('sluice_delivered_bytes_total', 'Bytes of the events that were written to clients.'),

  publish: histogram(
    'sluice_publish_duration_seconds',
    'From a publish until its COMMIT has succeeded, with the wait for the commit before it.',
  ),
  commit: histogram('sluice_commit_duration_seconds', 'One group commit: the append and its COMMIT.'),
  wakeToRead: histogram(
    'sluice_wake_to_read_seconds',
    'From the wake of a stream until the tailer has read its new events.',
  ),
  readToWrite: histogram(
    'sluice_read_to_write_seconds',
    'From the arrival of events in the hub until all live clients of their stream have been written to.',
  ),
  commitToDelivery: histogram(
    'sluice_commit_to_delivery_seconds',
    'From the time of an event until all live clients of its stream in this process have been written to.',
  ),

  lag: gauge(
    'max',
    'sluice_tailer_lag_seconds',
    'For how long the log cannot be read, or a woken stream waits to be read, by the kind of stream.',
    'kind',
  ),
  behind: gauge(
    'max',
    'sluice_tailer_lag_events',
    'Events in the log of streams that wait to be read, by the kind of stream.',
    'kind',
  ),
  tailReads: counter('sluice_tailer_reads_total', 'Reads of the log by the tailer.'),
  bus: gauge('sum', 'sluice_bus_processes', 'Processes by the state of their bus.', 'state'),
  relays: gauge(
    'sum',
    'sluice_bus_relays',
    'Processes that pass the wakes of SQL publishers on to NATS or Redis: one in the whole cluster, none with other buses.',
  ),
  wakes: counter('sluice_wakes_received_total', 'Wakes that arrived from other processes.'),
  losses: counter('sluice_bus_losses_total', 'Moments at which wakes may have been lost on NOTIFY.'),
  queue: gauge('max', 'sluice_notify_queue_ratio', "How full Postgres' notification queue is, 0 to 1."),
  canary: gauge(
    'max',
    'sluice_listener_canary_age_seconds',
    'Time since the bus last got its own message back: a NOTIFY, or one through NATS or Redis.',
  ),
  clock: gauge('first', 'sluice_database_clock_ahead_seconds', "How far the database's clock is ahead."),

  connections: gauge(
    'sum',
    'sluice_pool_connections',
    'Database connections, by pool and state.',
    'pool',
    'state',
  ),
  waiting: gauge(
    'sum',
    'sluice_pool_waiting_requests',
    'Callers that wait for a database connection.',
    'pool',
  ),

  replica: gauge('sum', 'sluice_replica_processes', 'Processes by the state of their replica.', 'state'),
  replicaPages: counter(
    'sluice_replica_pages_total',
    'Pages that this process has asked its replica for: served, missing there yet, or refused because of a fault. The others were read from the primary.',
    'outcome',
  ),

  utilization: gauge(
    'max',
    'sluice_event_loop_utilization_ratio',
    'The share of the time since the last scrape in which the event loop was busy, 0 to 1.',
  ),
  blocks: counter(
    'sluice_event_loop_blocks_total',
    'How often the event loop was blocked for longer than `WATCHDOG_MS`.',
  ),
  blocked: counter(
    'sluice_event_loop_blocked_seconds_total',
    'For how long it was blocked in these cases, once they have ended.',
  ),
  memory: gauge(
    'max',
    'sluice_memory_used_ratio',
    'How full the memory of the process is, 0 to 1: the nearer limit of heap and container.',
  ),
  memoryState: gauge('sum', 'sluice_memory_processes', 'Processes by the state of their memory.', 'state'),
  rateLimited: counter(
    'sluice_rate_limited_total',
    'Requests and streams that the rate limit has refused.',
    'of',
  ),
  quotaRefusals: counter(
    'sluice_quota_refusals_total',
    'Requests that a limit of their workspace has refused.',
    'limit',
  ),

  jobs: gauge('max', 'sluice_jobs', 'Jobs that have not ended, by status, in the whole database.', 'status'),
  queueAge: gauge(
    'max',
    'sluice_job_queue_age_seconds',
    'The age of the job that has been in the queue for longest.',
  ),
  leasesLost: counter(
    'sluice_job_leases_lost_total',
    'Jobs whose runner stopped renewing its lease, as this process has found them.',
  ),
  consumers: gauge(
    'max',
    'sluice_consumers',
    'Consumers and webhooks of the whole database, by kind and state. Those that lag are held or free as well.',
    'kind',
    'state',
  ),
  consumerLag: gauge(
    'max',
    'sluice_consumer_lag_seconds_max',
    'The age of the first unacknowledged event of the consumer or webhook that is furthest behind.',
  ),
  webhooks: gauge('max', 'sluice_webhooks', 'Webhooks, by state, in the whole database.', 'state'),
  webhooksHeld: gauge('sum', 'sluice_webhooks_held', 'Webhooks that this process delivers.'),
  webhookAttempts: counter(
    'sluice_webhook_attempts_total',
    'Requests to receivers of webhooks, by outcome; those that were held back were not sent.',
    'outcome',
  ),
  webhookDuration: histogram(
    'sluice_webhook_attempt_duration_seconds',
    'From the beginning of a request to a receiver until its answer or failure.',
  ),
  webhookDelay: histogram(
    'sluice_webhook_delay_seconds',
    'From the time of an event until the receiver of a webhook has taken it.',
  ),
  webhookRequests: gauge(
    'sum',
    'sluice_webhook_requests',
    'Requests to receivers of webhooks that are under way, or wait for their turn.',
    'state',
  ),
  webhookRetries: gauge(
    'sum',
    'sluice_webhook_retries_waiting',
    'Deliveries that have failed and wait for their next try, of the webhooks that this process delivers.',
  ),
  webhookLag: gauge(
    'max',
    'sluice_webhook_lag_seconds',
    'The age of the oldest event that a webhook of this process is to send and has not settled.',
  ),
  webhookBreakers: gauge(
    'sum',
    'sluice_webhook_breakers_open',
    'Circuit breakers that hold requests to a receiver back in this process.',
  ),
  webhookLeasesLost: counter(
    'sluice_webhook_leases_lost_total',
    'Webhooks that this process could no longer hold, such as without a database.',
  ),
  durableAppends: counter(
    'sluice_durable_appends_total',
    'Appends of Durable Streams, by outcome.',
    'outcome',
  ),
  durableAppend: histogram('sluice_durable_append_duration_seconds', 'From such an append until its COMMIT.'),
  durableChunks: counter('sluice_durable_chunks_total', 'Events that they have stored; copies are none.'),
  durableForks: counter('sluice_durable_forks_total', 'Durable streams that were forked.'),
  durableExpired: counter('sluice_durable_expired_total', 'Expired streams that this process has deleted.'),
  removed: counter(
    'sluice_retention_removed_rows_total',
    'Expired rows that this process has removed.',
    'rows',
  ),
  swept: gauge(
    'max',
    'sluice_retention_last_success_timestamp_seconds',
    'When this process has last removed expired rows, in seconds since 1970.',
  ),
} as const satisfies Readonly<Record<string, Instrument>>

export type InstrumentName = keyof typeof INSTRUMENTS
