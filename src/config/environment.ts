/**
 * Configuration, from environment variables only. Types, defaults, checks, the remedy in every error and the tables of
 * docs/configuration.md (held by a test) come from this one schema.
 */
import Type from 'typebox'
import { JOB_SETTINGS } from './job-settings.js'
import { Switch, Whole } from './setting.js'

const DATABASE = {
  pattern: '^postgres(ql)?://',
  form: 'a URL such as postgres://name@host:5432/database',
  secret: true,
} as const
const SECRET = {
  minLength: 32,
  form: 'at least 32 random characters, as `openssl rand -hex 32` prints them',
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

  JWT_SECRET: Type.Optional(
    Type.String({ ...SECRET, description: 'Key that verifies HS256 tokens, at least 32 characters.' }),
  ),
  JWT_PUBLIC_KEY: Type.Optional(
    Type.String({
      pattern: '-----BEGIN (RSA )?PUBLIC KEY-----',
      form: 'a complete public key, including the line -----BEGIN PUBLIC KEY-----',
      secret: true,
      description:
        'Public key (PEM) that verifies RS256, ES256 or EdDSA tokens. Line ends may be written as `\\n`.',
    }),
  ),
  JWKS_URL: Type.Optional(
    Type.String({
      pattern: '^https?://',
      form: 'a URL that begins with https:// or http://',
      secret: true,
      description:
        "URL of the issuer's key set. A URL without a path means `/.well-known/jwks.json` on that host.",
    }),
  ),
  JWT_ISSUER: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'Required value of the claim `iss`. Unset, the claim is not checked.',
    }),
  ),
  JWT_AUDIENCE: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'Required value of the claim `aud`. Unset, the claim is not checked.',
    }),
  ),
  JWT_WORKSPACE_CLAIM: Type.String({
    default: 'workspace',
    minLength: 1,
    description:
      'The claim that holds the workspace: a name; a path such as `app.tenant`; or a JSON array of names. A text with `:` or `/`, such as a URL, is one name.',
  }),
  JWT_ROLE_CLAIM: Type.String({
    default: 'role',
    minLength: 1,
    description:
      'The claim that holds the role, or an array of roles, of which the highest counts. Written like `JWT_WORKSPACE_CLAIM`, such as `realm_access.roles`.',
  }),
  JWT_ROLE_MAP: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'Roles of the role names of another system, in tokens and imported keys: `owner=admin,member=editor`, or the same as a JSON object. Own names keep their meaning unless they are mapped.',
    }),
  ),
  JWT_DEFAULT_ROLE: Type.Optional(
    Type.Enum(['viewer', 'editor', 'admin', 'runner'], {
      description:
        'Role of tokens and imported keys whose role is missing or has no entry in the map. Unset, they are refused.',
    }),
  ),
  OPERATOR_WORKSPACE: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'Workspace whose admins alone may switch maintenance, which affects all workspaces. Unset, every admin may.',
    }),
  ),
  AUTH_COOKIE: Type.Optional(
    Type.String({
      pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
      form: 'the name of a cookie, such as __Host-session',
      description:
        'Name of a cookie that stream routes accept as a credential, from pages of the same origin. Its value is a token or an API key. Unset, no cookie is accepted.',
    }),
  ),
  QUERY_TOKEN: Switch({
    default: 'on',
    description:
      'Whether stream routes accept a token as `?token=`. URLs leak into histories and logs; tickets do without it.',
  }),

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
      'Open streams per principal and process, including long polls and waiting claims. 0 = unlimited.',
  }),
  MAX_STREAMS_PER_WORKSPACE: Whole({
    default: 10_000,
    description: 'Open streams per workspace and process, counted in the same way. 0 = unlimited.',
  }),
  MAX_STREAMS_PER_ADDRESS: Whole({
    default: 2_000,
    description: 'Open streams per IP address and process, counted in the same way. 0 = unlimited.',
  }),
  MAX_STORED_STREAMS_PER_WORKSPACE: Whole({
    default: 10_000,
    description:
      'Streams per workspace in the database, not counting the streams of jobs. Set the same value on every gateway. 0 = unlimited.',
  }),

  BUS: Type.Enum(['postgres', 'memory'], {
    default: 'postgres',
    description:
      'How processes wake each other. `memory` wakes only its own process; other processes then find events by polling.',
  }),
  BUS_NOTIFY: Switch({
    default: 'on',
    description: '`off` neither sends nor expects NOTIFY: events arrive by polling, every 500 ms.',
  }),

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
  RETENTION_DAYS: Type.Number({
    default: 30,
    minimum: 0,
    maximum: 36_500,
    description:
      'Days for which events of open-ended streams are kept. A client that returns later gets `reset`. 0 = forever.',
  }),
  ...JOB_SETTINGS,
  DRAIN_MS: Whole({
    default: 10_000,
    description: 'Milliseconds over which a stopping process spreads the end of its streams, at most.',
  }),

  LOG_LEVEL: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    default: 'info',
    description: 'Least severe level that is logged.',
  }),
})
