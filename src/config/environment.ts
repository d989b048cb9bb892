/**
 * Configuration, from environment variables only. Types, defaults, checks, the remedy in every error and the tables of
 * docs/configuration.md (held by a test) come from this one schema.
 */
import Type from 'typebox'
import { BUS_SETTINGS } from './bus-settings.js'
import { DURABLE_STREAM_SETTINGS } from './durable-stream-settings.js'
import { JOB_SETTINGS } from './job-settings.js'
import { Whole } from './setting.js'
import { SECRET, TOKEN_SETTINGS } from './token-settings.js'
import { TRACE_SETTINGS } from './trace-settings.js'
import { WEBHOOK_SETTINGS } from './webhook-settings.js'

const DATABASE = {
  pattern: '^postgres(ql)?://',
  form: 'a URL such as postgres://name@host:5432/database',
  secret: true,
} as const
export const Environment = Type.Object({
  NODE_ENV: Type.Enum(['development', 'test', 'production'], {
    default: 'development',
    description:
      '`production` refuses to start with development defaults: the embedded database and a generated key.',
  }),
  HOST: Type.String({ default: '127.0.0.1', minLength: 1, description: 'IP address to listen on.' }),
  PORT: Whole({
    default: 8080,
    maximum: 65_535,
    description: 'TCP port to listen on. 0 = any free port.',
  }),
  METRICS_PORT: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 65_535,
      description:
        'TCP port that serves `/metrics` for Prometheus, without credentials, on `HOST`. Unset, only `/metrics` on `PORT` does, for admins.',
    }),
  ),
  WORKERS: Type.Union([Type.Integer({ minimum: 1, maximum: 128 }), Type.Literal('auto')], {
    default: 1,
    description:
      'Number of gateway processes behind the port; `auto` = one per processor. Every limit per process then applies to each worker.',
  }),

  DATABASE_URL: Type.Optional(
    Type.String({
      ...DATABASE,
      description:
        'The database, as `postgres://…`. Without it, the gateway starts an embedded Postgres in `DATA_DIR`.',
    }),
  ),
  LISTEN_DATABASE_URL: Type.Optional(
    Type.String({
      ...DATABASE,
      description:
        'Direct connection for LISTEN/NOTIFY. Required if `DATABASE_URL` goes through a pooler; without it events then arrive by polling.',
    }),
  ),
  READ_DATABASE_URL: Type.Optional(
    Type.String({
      ...DATABASE,
      description:
        'A streaming replica of the database, which is read for clients that catch up. Whatever it does not have is read from the primary.',
    }),
  ),
  DATABASE_POOL: Whole({
    default: 10,
    minimum: 2,
    maximum: 500,
    description:
      'Database connections for requests and publishing, per process. The log, the bus and the probes use up to 8 more.',
  }),
  DATA_DIR: Type.String({
    default: 'data',
    minLength: 1,
    description: 'Directory of the embedded Postgres.',
  }),
  PG_BIN: Type.Optional(
    Type.String({
      description: 'Directory with `initdb` and `postgres`, used instead of the binaries from npm.',
    }),
  ),

  ...TOKEN_SETTINGS,

  ARTIFACTS_DIR: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'Directory of the files that jobs leave behind, with one folder per workspace. Unset, no artifact is served.',
    }),
  ),
  ARTIFACTS_SECRET: Type.Optional(
    Type.String({
      ...SECRET,
      description:
        'Key that signs links to artifacts, at least 32 characters. Unset, it is derived from `JWT_SECRET`.',
    }),
  ),

  CORS_ORIGINS: Type.String({
    default: '',
    description:
      'Exact browser origins that may call the gateway, separated by commas. Empty = only its own origin.',
  }),
  TRUSTED_PROXIES: Type.String({
    default: '',
    description:
      "IP addresses or CIDR ranges of proxies whose `X-Forwarded-For` is trusted, separated by commas. Without it, all callers behind a proxy share the proxy's address.",
  }),
  RATE_LIMIT_MAX: Whole({
    default: 6_000,
    description: 'Requests per minute and principal, across all processes. 0 switches off every rate limit.',
  }),
  RATE_LIMIT_ADDRESS_MAX: Whole({
    default: 600,
    description: 'Unauthenticated requests per minute and IP address, across all processes. 0 = unlimited.',
  }),
  MAX_STREAMS: Whole({
    default: 25_000,
    minimum: 1,
    description: 'Open streams per process. Further clients get `unavailable` and retry.',
  }),
  MAX_STREAMS_PER_PRINCIPAL: Whole({
    default: 1_000,
    description:
      'Open streams per principal, including long polls and waiting claims; across all processes with `STREAM_CAPS=cluster`. 0 = unlimited.',
  }),
  MAX_STREAMS_PER_WORKSPACE: Whole({
    default: 10_000,
    description: 'Open streams per workspace, counted in the same way. 0 = unlimited.',
  }),
  MAX_STREAMS_PER_ADDRESS: Whole({
    default: 2_000,
    description: 'Open streams per IP address, counted in the same way. 0 = unlimited.',
  }),
  STREAM_CAPS: Type.Enum(['cluster', 'process'], {
    default: 'cluster',
    description:
      'Whether the three limits above hold for all processes together or for each one. Set the same value on every gateway.',
  }),
  MAX_EVENTS_PER_WORKSPACE: Whole({
    default: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Events that a workspace may have stored, those of jobs included. 0 = unlimited.',
  }),
  MAX_BYTES_PER_WORKSPACE: Whole({
    default: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Bytes of data that these events may have. 0 = unlimited.',
  }),
  MAX_JOBS_PER_WORKSPACE: Whole({
    default: 0,
    description: 'Jobs that a workspace may have stored, whatever their status. 0 = unlimited.',
  }),
  MAX_EVENTS_PER_MINUTE_PER_WORKSPACE: Whole({
    default: 0,
    description:
      'Events per minute that the callers of a workspace may publish, across all processes. 0 = unlimited.',
  }),
  MAX_STORED_STREAMS_PER_WORKSPACE: Whole({
    default: 10_000,
    description:
      'Streams per workspace in the database, not counting the streams of jobs. Set the same value on every gateway. 0 = unlimited.',
  }),

  ...BUS_SETTINGS,

  CLOUDEVENTS_SOURCE: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z][A-Za-z0-9+.-]*:[!-~]*$',
      form: 'a URI, such as https://events.example.com',
      description:
        'Beginning of the `source` of events that were not published as CloudEvents, before `/workspace/stream`. Unset, the source is only that path.',
    }),
  ),
  HEARTBEAT_MS: Whole({
    default: 30_000,
    minimum: 100,
    description:
      "Milliseconds between heartbeats on a stream. Must be shorter than every proxy's read timeout.",
  }),
  MAX_STREAM_AGE: Whole({
    default: 3_600,
    maximum: 2_147_483,
    description:
      'Seconds after which the gateway ends a stream, ± 10 %; the client reconnects and resumes. Streams of jobs are ' +
      'exempt. 0 = never.',
  }),
  PACING: Type.Enum(['latency', 'cpu'], {
    default: 'latency',
    description: 'What a busy stream saves. `cpu` joins the events of up to 75 ms in one write.',
  }),
  ...DURABLE_STREAM_SETTINGS,
  RETENTION_DAYS: Type.Number({
    default: 30,
    minimum: 0,
    maximum: 36_500,
    description:
      'Days for which events of open-ended streams are kept. A client that returns later gets `reset`. 0 = forever.',
  }),
  CONSUMER_LAG_WARNING: Whole({
    default: 3_600,
    description:
      'Age in seconds of the first unacknowledged event from which a consumer lags. 0 = it lags only shortly before retention removes the event.',
  }),
  ...WEBHOOK_SETTINGS,
  ...JOB_SETTINGS,
  WATCHDOG_MS: Whole({
    default: 2_000,
    maximum: 3_600_000,
    description:
      'Milliseconds without a turn of the event loop after which the log names the function that blocks it. 0 = never.',
  }),
  STUCK_WORKER_MS: Whole({
    default: 30_000,
    maximum: 3_600_000,
    description:
      'With `WORKERS`: milliseconds without a turn of its event loop after which a worker is replaced. 0 = never, as with `WATCHDOG_MS=0`.',
  }),
  DRAIN_DELAY_MS: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 600_000,
      description:
        'Milliseconds from SIGTERM until the process begins to drain. Meanwhile `/ready` answers 503, so that balancers choose another gateway, and everything else is served as before. Unset, 5000 with `NODE_ENV=production`, else 0.',
    }),
  ),
  DRAIN_MS: Whole({
    default: 10_000,
    description: 'Milliseconds over which a stopping process spreads the end of its streams, at most.',
  }),

  LOG_LEVEL: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    default: 'info',
    description: 'Least severe level that is logged.',
  }),
  ACCESS_LOG: Type.Enum(['on', 'off'], {
    default: 'off',
    description: 'Whether each request is logged, without its secrets. Streams are logged in any case.',
  }),
  ...TRACE_SETTINGS,
})
